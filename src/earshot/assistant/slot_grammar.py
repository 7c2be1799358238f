"""Grammars made of a grammar: for the value of one slot alone, and with sentences of the assistant's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from earshot.assistant.grammar import Grammar
from earshot.assistant.grammar_files import Block, GrammarSource, Written, read_text
from earshot.assistant.names import Names, Template
from earshot.assistant.templates import Choice, Expression, ListReference, Permutation, RuleReference, Sequence


def slot_grammar(grammar: Grammar, intent: str, slot: str) -> Grammar | None:
    """What may be answered when the value of a slot is asked for; None where any words will do."""
    blocks: list[Block] = []
    seen: set[tuple[str, int | None]] = set()
    for template in grammar.templates:
        if template.intent != intent:
            continue
        for reference in _references(template.expression, template, grammar.names):
            key = (reference.name, grammar.names.scope(template))
            if reference.slot != slot or key in seen:
                continue
            seen.add(key)
            if grammar.names.slot_list(reference, template).is_wildcard:
                return None
            sentence = Written(f"{{{reference.name}:{slot}}}", template.place)
            blocks.append(replace(template.block, number=len(blocks), sentences=(sentence,)))
    if not blocks:
        return None
    return Grammar(_with_blocks(grammar.source, blocks), check=False)


def extended(grammar: Grammar, text: str) -> Grammar:
    """A grammar with the sentences of a grammar file in memory, as far as it does not know them already."""
    more = read_text(text, "the assistant's own sentences")
    known = grammar.source.blocks
    added = [block for block in more.blocks if not any(_is_known(grammar, one) for one in block.sentences)]
    numbered = [replace(block, number=len(known) + place) for place, block in enumerate(added)]
    return Grammar(_with_blocks(grammar.source, [*known, *numbered]), check=False)


def _is_known(grammar: Grammar, sentence: Written) -> bool:
    """Whether a sentence has a meaning already, for which it is left alone."""
    own = Grammar(GrammarSource(language=grammar.language, blocks=[_block_of(sentence)]), check=False)
    from earshot.assistant.sampling import prompts

    return any(grammar.match(one.text) is not None for one in prompts(own))


def _block_of(sentence: Written) -> Block:
    return Block(0, "one", sentence.place, (sentence,), {}, {}, {}, {}, {}, None, {})


def _with_blocks(source: GrammarSource, blocks: list[Block]) -> GrammarSource:
    return GrammarSource(
        language=source.language,
        blocks=blocks,
        lists=source.lists,
        rules=source.rules,
        skip_words=source.skip_words,
    )


def _references(
    expression: Expression, template: Template, names: Names, rules: frozenset[str] = frozenset()
) -> Iterator[ListReference]:
    """All lists that a template names, in its rules too."""
    match expression:
        case ListReference():
            yield expression
        case RuleReference(name) if name not in rules:
            yield from _references(names.rule(name, template), template, names, rules | {name})
        case Sequence(items) | Choice(items) | Permutation(items):
            for item in items:
                yield from _references(item, template, names, rules)
        case _:
            return
