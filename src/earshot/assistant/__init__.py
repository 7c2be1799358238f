"""The assistant: what is said to it is understood by a grammar.

from earshot.assistant import CommandRecognizer, Grammar

recognizer = CommandRecognizer(Grammar.load("my-grammar"))
print(recognizer.recognize(audio))
"""
