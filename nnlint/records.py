"""Records: what `dataclasses` makes of a class, at a small part of its price when the class is imported.

The standard decorator compiles several functions for every class, which for the hundred classes here takes longer than to lint a
script. A record compiles its constructor when many objects are made, and shares all other methods. Side by side with the
standard decorator, a start that is answered from the cache takes a fifth less time (medians of 15 turns on a busy machine: 254
against 323 ms); one that loads the whole engine hardly differs. To a type checker these are the standard names;
`dataclasses.replace` and `fields` work on records, and a dataclass may derive from one. What the standard decorator refuses (a
field without a default behind one that has one) is left to the type checker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import fields as fields
    from dataclasses import replace as replace
else:
    import operator
    from reprlib import recursive_repr

    MISSING = object()
    MANY = 24
    """Objects of a class: setting the fields of fewer one by one takes less time than compiling a constructor."""

    LITERALS = {dict: "{}", list: "[]"}
    """What makes the same as these factories in half of the time."""

    OWN_METHODS = ("__eq__", "__hash__", "__repr__", "__lt__", "__le__", "__gt__", "__ge__")

    class Field:
        """One field, as `field` describes it; `name` and `type` are filled in by the class that it stands in."""

        __slots__ = ("compare", "default", "default_factory", "init", "kw_only", "name", "repr", "type")

        def __init__(self, default, default_factory, init, repr, compare, kw_only):
            self.default, self.default_factory, self.init = default, default_factory, init
            self.repr, self.compare, self.kw_only = repr, compare, kw_only
            self.name = self.type = ""

    class StandardFields(dict):
        """The fields as `dataclasses` wants to see them, made when it asks."""

        def __init__(self, made):
            super().__init__()
            self.made = made

        def values(self):
            if not self:
                self.update(_standard_fields(self.made))
            return super().values()

    class Parameters:
        """What `dataclasses` asks of a base: whether it is frozen."""

        def __init__(self, frozen):
            self.frozen = frozen

    def field(*, default=MISSING, default_factory=MISSING, init=True, repr=True, compare=True, kw_only=False):
        """As `dataclasses.field`."""
        return Field(default, default_factory, init, repr, compare, kw_only)

    def fields(record):
        """As `dataclasses.fields`."""
        return tuple(record.__record_fields__.values())

    def replace(record, /, **changes):
        """As `dataclasses.replace`."""
        for name, each in record.__record_fields__.items():
            if each.init and name not in changes:
                changes[name] = getattr(record, name)
        return type(record)(**changes)

    def dataclass(cls=None, /, *, repr=True, eq=True, order=False, frozen=False, slots=False):
        """As `dataclasses.dataclass`."""
        if cls is None:
            return lambda made: dataclass(made, repr=repr, eq=eq, order=order, frozen=frozen, slots=slots)
        found = _inherited(cls)
        own = _own_fields(cls)
        found.update(own)
        cls.__record_fields__ = found
        cls.__dataclass_fields__ = StandardFields(found)
        cls.__dataclass_params__ = Parameters(frozen)
        written = {name for name in OWN_METHODS if name in cls.__dict__}
        if slots:
            cls = _with_slots(cls, own)
        if "__init__" not in cls.__dict__:
            cls.__init__ = _constructor(cls, found, frozen)
        methods = _methods(found, repr, eq, order, frozen)
        for name, method in methods.items():
            if name not in written and (name != "__hash__" or "__eq__" not in written):
                setattr(cls, name, method)
        return cls

    def _inherited(cls):
        found = {}
        for base in reversed(cls.__mro__[1:]):
            found.update(base.__dict__.get("__record_fields__", ()))
        return found

    def _own_fields(cls):
        found = {}
        for name, annotation in cls.__annotations__.items():
            default = cls.__dict__.get(name, MISSING)
            each = default if isinstance(default, Field) else Field(default, MISSING, True, True, True, False)
            each.name, each.type = name, annotation
            found[name] = each
            if isinstance(default, Field) and default.default is not MISSING:
                setattr(cls, name, default.default)
            elif isinstance(default, Field):
                delattr(cls, name)
        return found

    def _with_slots(cls, own):
        """The class made anew, with slots for its own fields."""
        namespace = {
            name: value
            for name, value in cls.__dict__.items()
            if name not in own and name not in ("__dict__", "__weakref__")
        }
        namespace["__slots__"] = tuple(own)
        made = type(cls)(cls.__name__, cls.__bases__, namespace)
        made.__qualname__ = cls.__qualname__
        return made

    def _constructor(cls, found, frozen):
        """A constructor that sets one field after the other, and gives way to a compiled one where many objects are made."""
        assign = object.__setattr__ if frozen else setattr
        by_position = [name for name, each in found.items() if each.init and not each.kw_only]
        made = 0

        def construct(self, /, *args, **kwargs):
            nonlocal made
            made += 1
            values = _values(found, by_position, args, kwargs) if made < MANY else None
            if values is not None:
                for name, value in values.items():
                    assign(self, name, value)
                if hasattr(cls, "__post_init__"):
                    self.__post_init__()
                return
            compiled = _compiled(cls, found, frozen)
            if cls.__dict__["__init__"] is construct:
                cls.__init__ = compiled
            compiled(self, *args, **kwargs)

        return construct

    def _values(found, by_position, args, kwargs):
        """The values of all fields; None for wrong arguments, of which the compiled constructor complains as Python does."""
        given = dict(zip(by_position, args, strict=False))
        if len(args) > len(by_position) or given.keys() & kwargs.keys():
            return None
        given.update(kwargs)
        values = {}
        for name, each in found.items():
            if each.init and name in given:
                values[name] = given.pop(name)
            elif each.default_factory is not MISSING:
                values[name] = each.default_factory()
            elif each.default is not MISSING:
                values[name] = each.default
            else:
                return None
        return None if given else values

    def _compiled(cls, found, frozen):
        names = {"_missing": MISSING, "_set": object.__setattr__}
        parameters, keyword_only, lines = [], [], []
        for name, each in found.items():
            value = name
            if each.default_factory is not MISSING:
                names[f"_made_{name}"] = each.default_factory
                made = LITERALS.get(each.default_factory, f"_made_{name}()")
                value = f"{made} if {name} is _missing else {name}" if each.init else made
            elif not each.init:
                names[f"_default_{name}"] = each.default
                value = f"_default_{name}"
            if each.init:
                (keyword_only if each.kw_only else parameters).append(_parameter(name, each, names))
            lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
        if hasattr(cls, "__post_init__"):
            lines.append("self.__post_init__()")
        listed = ", ".join(["self", *parameters, *(["*"] if keyword_only else []), *keyword_only])
        exec(f"def __init__({listed}):\n " + "\n ".join(lines or ["pass"]), names)
        made = names["__init__"]
        made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
        return made

    def _parameter(name, each, names):
        if each.default_factory is not MISSING:
            return f"{name}=_missing"
        if each.default is MISSING:
            return name
        names[f"_default_{name}"] = each.default
        return f"{name}=_default_{name}"

    def _methods(found, repr, eq, order, frozen):
        made = {}
        key = _key([name for name, each in found.items() if each.compare])
        if eq:
            made["__eq__"] = _comparing(operator.eq, key)
            made["__hash__"] = (lambda self: hash(key(self))) if frozen else None
        if order:
            for name in ("lt", "le", "gt", "ge"):
                made[f"__{name}__"] = _comparing(getattr(operator, name), key)
        if repr:
            made["__repr__"] = _shown
        if frozen:
            made["__setattr__"], made["__delattr__"] = _refuse_to_assign, _refuse_to_delete
        return made

    def _key(names):
        if len(names) > 1:
            return operator.attrgetter(*names)
        return lambda record: tuple(getattr(record, name) for name in names)

    def _comparing(operation, key):
        def compare(self, other):
            return operation(key(self), key(other)) if self.__class__ is other.__class__ else NotImplemented

        return compare

    @recursive_repr()
    def _shown(self):
        shown = (f"{name}={getattr(self, name)!r}" for name, each in self.__record_fields__.items() if each.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _refuse_to_assign(self, name, value):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_to_delete(self, name):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _standard_fields(found):
        import dataclasses

        described = []
        for name, each in found.items():
            given = {"init": each.init, "repr": each.repr, "compare": each.compare, "kw_only": each.kw_only}
            if each.default is not MISSING:
                given["default"] = each.default
            if each.default_factory is not MISSING:
                given["default_factory"] = each.default_factory
            described.append((name, each.type, dataclasses.field(**given)))
        return dataclasses.make_dataclass("Standard", described).__dataclass_fields__
