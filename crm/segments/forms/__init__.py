"""Owns the forms of segments: the rule builder, whose whole state travels in its inputs, and the small ones."""

from crm.segments.forms.builder import Builder, GroupNode, LeafNode, Mode
from crm.segments.forms.small import NameForm

__all__ = ["Builder", "GroupNode", "LeafNode", "Mode", "NameForm"]
