package script

import (
	"math"
	"strings"
	"testing"
	"unsafe"
)

func TestValueBytes(t *testing.T) {
	if size := unsafe.Sizeof(Value{}); size != valueBytes && unsafe.Sizeof(uintptr(0)) == 8 {
		t.Errorf("a Value has %d bytes, valueBytes is %d", size, valueBytes)
	}
}

func TestRangeArray(t *testing.T) {
	limits := Limits{Elements: 10}.WithDefaults()
	for _, c := range []struct {
		from, to Value
		want     string
	}{
		{Int(1), Int(3), "[1,2,3]"},
		{Int(3), Int(3), "[3]"},
		{Int(3), Int(1), "[]"},
		{Int(-2), String("1"), "[-2,-1,0,1]"},
		{Float(4), Float(6), "[4,5,6]"},
		{Int(1), Int(10), "[1,2,3,4,5,6,7,8,9,10]"},
		{Int(math.MaxInt64 - 1), Int(math.MaxInt64), "[9223372036854775806,9223372036854775807]"},
		{Int(1), Int(11), "limit: array too long: more than 10 elements; the limit is Limits.Elements"},
		{Int(math.MinInt64), Int(math.MaxInt64), "limit: array too long: more than 10 elements; the limit is Limits.Elements"},
		{Int(math.MaxInt64), Int(math.MinInt64), "[]"},
		{Null, Int(1), "type: '..' needs a whole number, got null"},
		{Int(1), Float(1.5), "type: '..' needs a whole number, got float64 1.5"},
		{Int(1), String("99999999999999999999"), "range: integer out of range"},
	} {
		if got := shown(rangeArray(c.from, c.to, newMeter(&limits))); got != c.want {
			t.Errorf("%s..%s = %s, want %s", jsonOf(c.from), jsonOf(c.to), got, c.want)
		}
	}
	// A store without a bound on elements still has one on memory.
	limits.Elements = math.MaxInt
	got := shown(rangeArray(Int(math.MinInt64), Int(math.MaxInt64), newMeter(&limits)))
	if got != "limit: script uses too much memory: more than 268435456 bytes; the limit is Limits.MemoryBytes" {
		t.Errorf("the longest range: %s", got)
	}
}

func TestIndexValue(t *testing.T) {
	a := flatArray([]Value{Int(7).WithMeta(3, 9), Int(8), Null})
	for _, c := range []struct {
		a, i Value
		want string
	}{
		{a, Int(0), "7 r3 x9"},
		{a, String("1"), "8"},
		{a, Float(2), "null"},
		{a, Int(5), "range: index 5 out of range (array has 3 elements)"},
		{a, Int(-1), "range: index -1 out of range (array has 3 elements)"},
		{flatArray([]Value{Null}), Int(1), "range: index 1 out of range (array has 1 element)"},
		{flatArray(nil), Int(0), "range: index 0 out of range (array has 0 elements)"},
		{a, Null, "type: index needs a whole number, got null"},
		{a, String("x"), `type: index needs a whole number, got string "x"`},
		{String("abc"), Int(0), `type: only an array can be indexed, got string "abc"`},
		{Null, Null, "type: only an array can be indexed, got null"},
	} {
		if got := shown(indexValue(&c.a, &c.i, testEnv(nil).meter)); got != c.want {
			t.Errorf("%s[%s] = %s, want %s", jsonOf(c.a), jsonOf(c.i), got, c.want)
		}
	}
}

// TestNewArrayNesting breaks Invariant VALUE-2 by depth.
func TestNewArrayNesting(t *testing.T) {
	e := testEnv(nil)
	if got := shown(newArray(make([]Value, 100_001), e.meter)); got != "limit: array too long: more than 100000 elements; the limit is Limits.Elements" {
		t.Errorf("one element too many: %s", got)
	}
	v, err := newArray(nil, e.meter)
	for range e.meter.limits.Nesting - 1 {
		if err != nil {
			t.Fatal(err)
		}
		v, err = newArray([]Value{Int(1), v}, e.meter)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(newArray([]Value{v}, e.meter)); got != "limit: nested deeper than 200; the limit is Limits.Nesting" {
		t.Errorf("one level more: %s", got)
	}
}

// TestNewArrayWeight breaks Invariant VALUE-2 by sharing: thirty doublings of
// an array make a thousand million values.
func TestNewArrayWeight(t *testing.T) {
	limits := Limits{MemoryBytes: 1000 * valueBytes}.WithDefaults()
	m := newMeter(&limits)
	v := flatArray([]Value{Int(1), Int(2)})
	for weight := int64(2); ; {
		w, err := newArray([]Value{v, v}, m)
		weight = 2 + 2*weight
		if weight > 1000 {
			if got := shown(w, err); got != "limit: array too large: its nested arrays come to more than 56000 bytes; the limit is Limits.MemoryBytes" {
				t.Errorf("weight %d: %s", weight, got)
			}
			return
		}
		if err != nil {
			t.Fatalf("weight %d: %v", weight, err)
		}
		if depth, got := measure(w); got != weight || depth > 20 {
			t.Fatalf("measured %d, %d, want weight %d", depth, got, weight)
		}
		v = w
	}
}

// TestMeasureUnsealed measures arrays made outside a run.
func TestMeasureUnsealed(t *testing.T) {
	if depth, weight := measure(Array([]Value{Int(1), Array([]Value{Int(2)}), Array(nil)})); depth != 2 || weight != 4 {
		t.Errorf("measured %d, %d", depth, weight)
	}
	// A small array that is large through sharing is measured as too large.
	wide := Array(make([]Value, 100_000))
	for range 3 {
		wide = Array([]Value{wide, wide, wide, wide, wide, wide, wide, wide, wide, wide})
	}
	if _, weight := measure(wide); weight != weightHuge {
		t.Errorf("an array of 10^8 values has weight %d", weight)
	}
	deep := Array(nil)
	for range 100_000 {
		deep = Array([]Value{deep})
	}
	if depth, _ := measure(deep); depth <= maxNesting {
		t.Errorf("a deep array has depth %d", depth)
	}
	// An array in itself, many times over: against the contract of Array,
	// and still it ends.
	cycle := make([]Value, 3)
	for i := range cycle {
		cycle[i] = Array(cycle)
	}
	if depth, _ := measure(Array(cycle)); depth <= maxNesting {
		t.Errorf("a cycle has depth %d", depth)
	}
}

func TestMeter(t *testing.T) {
	limits := Limits{ValueBytes: 100, Elements: 4, MemoryBytes: 1000}.WithDefaults()
	m := newMeter(&limits)
	for _, c := range []struct {
		err  *Error
		want string
	}{
		{m.makeString(100), "null"},
		{m.makeString(101), "limit: value too long: more than 100 bytes; the limit is Limits.ValueBytes"},
		{m.makeString(math.MaxInt64), "limit: value too long: more than 100 bytes; the limit is Limits.ValueBytes"},
		{m.makeArray(4), "null"},
		{m.makeArray(5), "limit: array too long: more than 4 elements; the limit is Limits.Elements"},
		{m.charge(1000 - 100 - 4*valueBytes), "null"},
		{m.charge(1), "limit: script uses too much memory: more than 1000 bytes; the limit is Limits.MemoryBytes"},
	} {
		if got := shown(Null, c.err); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	m.read(3 * bytesPerStep)
	m.reset()
	if err := m.charge(1000); err != nil || m.takeWork() != 0 {
		t.Errorf("after reset: %v", err)
	}
	m.read(bytesPerStep - 1)
	if n := m.takeWork(); n != 0 {
		t.Errorf("%d steps for less than one", n)
	}
	m.read(2*bytesPerStep + 1)
	if n := m.takeWork(); n != 3 {
		t.Errorf("%d steps, want 3", n)
	}
}

func TestAdmit(t *testing.T) {
	limits := Limits{ValueBytes: 10, Elements: 2, MemoryBytes: 1000}.WithDefaults()
	nested := Array([]Value{Array([]Value{String("a").WithMeta(1, 2)}), Null})
	for _, c := range []struct {
		v      Value
		want   string
		memory int64
	}{
		{Int(1), "1", 0},
		{String("0123456789"), `"0123456789"`, 10},
		{String("0123456789a"), "limit: value too long: more than 10 bytes; the limit is Limits.ValueBytes", 0},
		{nested, `[["a"],null]`, 3*valueBytes + 1},
		{Array(make([]Value, 3)), "limit: array too long: more than 2 elements; the limit is Limits.Elements", 0},
		{Array([]Value{String("0123456789a")}), "limit: value too long: more than 10 bytes; the limit is Limits.ValueBytes", valueBytes},
	} {
		m := newMeter(&limits)
		v, err := m.admit(c.v)
		if got := shown(v, err); got != c.want || m.memory != c.memory {
			t.Errorf("admit(%s) = %s, charged %d, want %s, %d", jsonOf(c.v), got, m.memory, c.want, c.memory)
		}
		if err == nil && v.kind == KindArray && v.num == 0 {
			t.Errorf("admit(%s) has no measure", jsonOf(c.v))
		}
	}
	deep := Array(nil)
	for range 200 {
		deep = Array([]Value{deep})
	}
	for _, c := range []struct {
		nesting int
		want    string
	}{
		{0, "limit: nested deeper than 200; the limit is Limits.Nesting"},
		{3, "limit: nested deeper than 3; the limit is Limits.Nesting"},
		{201, jsonOf(deep)},
	} {
		limits = Limits{Nesting: c.nesting}.WithDefaults()
		if got := shown(newMeter(&limits).admit(deep)); got != c.want {
			t.Errorf("admit of a deep array with Nesting %d: %s", c.nesting, got)
		}
	}
	if got := (Limits{Nesting: math.MaxInt}).WithDefaults().Nesting; got != maxNesting {
		t.Errorf("Nesting without bounds is %d", got)
	}
}

func TestPairWork(t *testing.T) {
	long, longer := String(strings.Repeat("x", 1024)), String(strings.Repeat("x", 4096))
	array := flatArray(make([]Value, 512))
	for _, c := range []struct {
		l, r Value
		want int64
	}{
		{Int(1), Int(2), 0},
		{String("a"), String("b"), 0},
		{long, longer, 1024 / bytesPerStep},
		{long, Int(1), 0},
		{array, array, 0}, // meter.equal counts
	} {
		if got := pairWork(&c.l, &c.r); got != c.want {
			t.Errorf("pairWork = %d, want %d", got, c.want)
		}
	}
}
