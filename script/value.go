package script

import "math"

// Kind is the type of a value.
type Kind uint8

// The kinds.
const (
	KindNull Kind = iota
	KindBool
	KindInt
	KindFloat
	KindString
	KindArray
	KindMap
)

var kindNames = [...]string{"null", "bool", "int64", "float64", "string", "array", "map"}

// String returns the type's name as type_of gives it.
func (k Kind) String() string { return kindNames[k] }

// Value is a value of the language with its metadata (docs/language.md,
// "Values and types"). It is immutable; arrays and maps share their elements. It
// is passed by value and holds no interface, so that the usual expression
// allocates nothing. Use the constructors: the zero Value is null but with
// revision 0.
type Value struct {
	kind Kind
	num  uint64 // bool, int64, the bits of a float64, or the measure of an array or map
	str  string
	ref  *origin // of an array, a map, or a value that was read from a key
	rev  int64
	exp  int64
}

// origin is what a value refers to besides its text: the key it was read from,
// or what an array or map consists of. The two never meet: those have no
// metadata. One pointer for both lets a Value and an error fit the registers.
type origin struct {
	key  string
	list *compound
}

// Null is the value null.
var Null = Value{rev: -1}

// Bool returns a bool.
func Bool(b bool) Value {
	v := Value{kind: KindBool, rev: -1}
	if b {
		v.num = 1
	}
	return v
}

// Int returns an int64.
func Int(i int64) Value { return Value{kind: KindInt, num: uint64(i), rev: -1} }

// Float returns a float64. f must be finite.
func Float(f float64) Value { return Value{kind: KindFloat, num: math.Float64bits(f), rev: -1} }

// String returns a string.
func String(s string) Value { return Value{kind: KindString, str: s, rev: -1} }

// Array returns an array of elems, which must not be changed afterwards.
func Array(elems []Value) Value {
	return Value{kind: KindArray, ref: (&compound{elems: elems, n: len(elems)}).asOrigin(), rev: -1}
}

// Map returns a map of the members names[i]: elems[i], in that order. No name
// may stand there twice. The slices must not be changed afterwards.
func Map(names []string, elems []Value) Value {
	return Value{kind: KindMap, ref: (&compound{names: names, elems: elems, n: len(elems)}).asOrigin(), rev: -1}
}

// Kind returns the value's type.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.kind == KindNull }

// Bool returns the value of a KindBool.
func (v Value) Bool() bool { return v.num != 0 }

// Int returns the value of a KindInt.
func (v Value) Int() int64 { return int64(v.num) }

// Float returns the value of a KindFloat.
func (v Value) Float() float64 { return math.Float64frombits(v.num) }

// Str returns the bytes of a KindString.
func (v Value) Str() string { return v.str }

// Elems returns the elements of a KindArray, or the values of the members of a
// KindMap, in order. They must not be changed.
func (v Value) Elems() []Value {
	elems, _ := (*meter)(nil).elems(&v)
	return elems
}

// Names returns the names of the members of a KindMap, in the order of Elems.
// They must not be changed.
func (v Value) Names() []string {
	if v.kind != KindMap {
		return nil
	}
	_ = (*meter)(nil).open(v.compound())
	return v.compound().names[:v.compound().n]
}

// Key returns the key v was read from or written to, "" for none.
func (v Value) Key() string {
	if v.ref == nil {
		return ""
	}
	return v.ref.key
}

// compound returns what an array or a map consists of, else nil.
func (v *Value) compound() *compound {
	if v.ref == nil {
		return nil
	}
	return v.ref.list
}

// nested reports whether v is an array or a map.
func (v *Value) nested() bool { return v.kind == KindArray || v.kind == KindMap }

// Revision returns the revision of the key v was read from, or -1.
func (v Value) Revision() int64 { return v.rev }

// Expires returns the expiry of the key v was read from in Unix
// milliseconds, 0 for none.
func (v Value) Expires() int64 { return v.exp }

// WithMeta returns v with the given revision and expiry.
func (v Value) WithMeta(revision, expires int64) Value {
	v.rev, v.exp = revision, expires
	return v
}

// WithKey returns v, which is neither an array nor a map, as one that was read
// from key.
func (v Value) WithKey(key string) Value {
	v.ref = nil
	if key != "" {
		v.ref = &origin{key: key}
	}
	return v
}

// The setters make v a value in place, with the metadata of a key. A Value does
// not fit the registers: one that is made on its way is copied twice.

func (v *Value) setNull() { v.set(KindNull, 0, "", -1, 0) }

func (v *Value) setBool(b bool, rev, exp int64) {
	num := uint64(0)
	if b {
		num = 1
	}
	v.set(KindBool, num, "", rev, exp)
}

func (v *Value) setInt(i int64) { v.set(KindInt, uint64(i), "", -1, 0) }

func (v *Value) setString(s string, rev, exp int64) { v.set(KindString, 0, s, rev, exp) }

func (v *Value) set(kind Kind, num uint64, str string, rev, exp int64) {
	v.kind, v.num, v.str, v.ref, v.rev, v.exp = kind, num, str, nil, rev, exp
}

// assign is *v = *w. A value that has just been returned is in memory word by
// word; to copy it in larger pieces would wait until it is all there.
func (v *Value) assign(w *Value) {
	v.kind, v.num, v.rev, v.exp = w.kind, w.num, w.rev, w.exp
	if v.str != "" || w.str != "" {
		v.str = w.str
	}
	if v.ref != w.ref {
		v.ref = w.ref
	}
}

// integer and float are Int and Float without a copy of v.
func (v *Value) integer() int64 { return int64(v.num) }
func (v *Value) float() float64 { return math.Float64frombits(v.num) }

// forget drops what the values refer to. That is enough to keep nothing alive,
// and cheaper than clear, which asks the runtime where the references are.
func forget(vs []Value) {
	for i := range vs {
		vs[i].str, vs[i].ref = "", nil
	}
}

// plain returns v without metadata.
func (v Value) plain() Value {
	v.rev, v.exp = -1, 0
	if !v.nested() {
		v.ref = nil
	}
	return v
}
