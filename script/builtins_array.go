package script

import (
	"fmt"
	"math"
)

// maxNesting bounds Limits.Nesting, and with it how deep arrays may be nested:
// what walks an array recursively relies on it.
const maxNesting = 10_000

// valueBytes is the size of a Value in memory.
const valueBytes = 56

// An array or a map made in a run records its measure in num: the depth of its
// nesting in the lower 14 bits, above it its weight, the number of values in
// it and in all of them below, shared ones counted as often as they are
// reached, a name counted as a value. Even an empty array has depth 1, so num is
// 0 only for one made by Array or Map, which is measured when it is asked about.
//
// Invariant VALUE-2: an array or map of a run has a depth of at most
// Limits.Nesting and a weight of at most Limits.MemoryBytes / valueBytes. So a walk of it ends
// soon, although sharing makes arrays exponentially large with few values:
// let a = [a, a], thirty times. A text in it counts as one value, however long
// it is: who reads the texts too uses meter.examine.
const depthBits = 14 // for maxNesting and one more

// newArray makes an array of elems, which belong to it from then on, and
// charges it.
func newArray(elems []Value, m *meter) (Value, *Error) {
	if err := m.makeArray(int64(len(elems))); err != nil {
		return Null, err
	}
	return m.seal(elems)
}

// seal makes an array of elems, whose storage is already charged.
func (m *meter) seal(elems []Value) (Value, *Error) {
	depth, weight, err := m.weigh(elems)
	if err == nil {
		err = m.fits(depth, weight)
	}
	if err != nil {
		return Null, err
	}
	return sealed(elems, depth, weight), nil
}

// weigh returns the measure of an array of elems, as far as it is within limits.
func (m *meter) weigh(elems []Value) (depth int, weight int64, err *Error) {
	depth, weight = 1, int64(len(elems))
	for i := range elems {
		if elems[i].nested() {
			d, w := measure(elems[i])
			depth = max(depth, d+1)
			weight += w
			if err := m.fits(depth, weight); err != nil {
				return 0, 0, err
			}
		}
	}
	return depth, weight, nil
}

// fits checks the measure of an array or a map.
func (m *meter) fits(depth int, weight int64) *Error {
	if depth > m.limits.Nesting {
		return m.nestingLimit()
	}
	if weight > m.limits.MemoryBytes/valueBytes {
		return limitf("MemoryBytes", "array too large: its nested arrays come to more than %d bytes", m.limits.MemoryBytes)
	}
	return nil
}

// flatArray makes an array of elems that are neither arrays nor maps.
func flatArray(elems []Value) Value { return sealed(elems, 1, int64(len(elems))) }

func sealed(elems []Value, depth int, weight int64) Value {
	return measured(KindArray, &compound{elems: elems, n: len(elems)}, depth, weight)
}

func measured(kind Kind, c *compound, depth int, weight int64) Value {
	return Value{kind: kind, ref: c.asOrigin(), rev: -1, num: uint64(weight)<<depthBits | uint64(depth)}
}

func (m *meter) nestingLimit() *Error {
	return limitf("Nesting", "nested deeper than %d", m.limits.Nesting)
}

// weightMax is where the measuring of an unsealed array gives up, so that a
// small array of shared arrays does not take for ever; weightHuge is what it
// then answers, more than any limit.
const (
	weightMax  = 1 << 26
	weightHuge = 1 << 48
)

// measureElem is measure for an element: 0 and 0 for what is neither an array
// nor a map.
func measureElem(v *Value) (depth int, weight int64) {
	if !v.nested() {
		return 0, 0
	}
	return measure(*v)
}

// measure returns the depth and weight of an array or a map. A depth above maxNesting
// stands for all such depths.
func measure(v Value) (depth int, weight int64) {
	if v.num != 0 {
		return int(v.num & (1<<depthBits - 1)), int64(v.num >> depthBits)
	}
	depth = walk(v, 1, &weight)
	if weight > weightMax {
		weight = weightHuge
	}
	return depth, weight
}

// walk adds the weight of v, an array or map at the given depth, to weight and
// returns the greatest depth in it.
func walk(v Value, depth int, weight *int64) int {
	elems := v.Elems()
	*weight += int64(len(elems))
	if v.kind == KindMap {
		*weight += int64(len(elems))
	}
	deepest := depth
	for i := range elems {
		if deepest > maxNesting || *weight > weightMax {
			break
		}
		if elems[i].nested() {
			deepest = max(deepest, walk(elems[i], depth+1, weight))
		}
	}
	return deepest
}

// rangeBounds returns the ends of the range from..to (docs/language.md,
// "Operators").
func rangeBounds(from, to Value) (int64, int64, *Error) {
	first, err := whole(from, "'..'")
	if err != nil {
		return 0, 0, err
	}
	last, err := whole(to, "'..'")
	return first, last, err
}

// rangeArray returns the array of the integers from from to to, both
// included.
func rangeArray(from, to Value, m *meter) (Value, *Error) {
	first, last, err := rangeBounds(from, to)
	if err != nil {
		return Null, err
	}
	if first > last {
		return flatArray(nil), nil
	}
	// The difference fits a uint64, its successor may not.
	n := min(uint64(last)-uint64(first), math.MaxInt64-1) + 1
	if err := m.makeArray(int64(n)); err != nil {
		return Null, err
	}
	elems := make([]Value, n)
	for i := range elems {
		if i%(4*pollParts) == 4*pollParts-1 {
			if err := m.poll(); err != nil {
				return Null, err
			}
		}
		elems[i] = Int(first + int64(i))
	}
	return flatArray(elems), nil
}

// indexValue returns a[i] with its metadata.
func indexValue(a, i *Value, m *meter) (Value, *Error) {
	switch a.kind {
	case KindArray:
	case KindMap:
		return indexMap(a, i, m)
	default:
		if _, number, _ := number(i); i.kind == KindString && !number {
			return Null, errf(CodeType, "only a map has members, got %s", describe(*a))
		}
		return Null, errf(CodeType, "only an array can be indexed, got %s", describe(*a))
	}
	n, err := whole(*i, "index")
	if err != nil {
		return Null, err
	}
	elems, err := m.elems(a)
	if err != nil {
		return Null, err
	}
	if n < 0 || n >= int64(len(elems)) {
		return Null, outOfRange(n, len(elems))
	}
	return elems[n], nil
}

func indexMap(a, i *Value, m *meter) (Value, *Error) {
	switch i.kind {
	case KindString:
		return m.member(a, i.str)
	case KindInt, KindFloat:
		return m.member(a, scalarText(*i))
	}
	return Null, errf(CodeType, "a map is indexed by a text, got %s", describe(*i))
}

func outOfRange(n int64, count int) *Error {
	return errf(CodeRange, "index %d out of range (array has %s)", n, counted(count, "element"))
}

// counted returns "1 element", "2 elements".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
