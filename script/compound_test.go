package script

import (
	"fmt"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestVersions breaks Invariant VALUE-3: it makes versions of arrays and maps
// from one another, in any order, and compares all of them with plain copies.
func TestVersions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := testEnv(nil).meter
		type version struct {
			v     Value
			elems []int64
			names []string // of a map
		}
		isMap := rapid.Bool().Draw(t, "map")
		first := version{v: flatArray(nil)}
		if isMap {
			first.v, _ = newMap(nil, nil, m)
		}
		all := []version{first}
		for step := range rapid.IntRange(1, 60).Draw(t, "steps") {
			// Most often from the newest one, as a loop does.
			at := len(all) - 1
			if rapid.IntRange(0, 3).Draw(t, "older") == 0 {
				at = rapid.IntRange(0, at).Draw(t, "from")
			}
			from := all[at]
			x := Int(int64(step))
			next := version{elems: append([]int64(nil), from.elems...), names: append([]string(nil), from.names...)}
			var err *Error
			switch place := rapid.IntRange(-4, len(from.elems)-1).Draw(t, "place"); {
			case isMap && place >= 0:
				next.v, err = m.put(&from.v, from.names[place], &x)
				next.elems[place] = x.Int()
			case isMap:
				name := strconv.Itoa(step)
				next.v, err = m.put(&from.v, name, &x)
				next.elems, next.names = append(next.elems, x.Int()), append(next.names, name)
			case place >= 0:
				next.v, err = m.replace(&from.v, place, &x)
				next.elems[place] = x.Int()
			default:
				next.v, err = m.extend(&from.v, nil, []Value{x})
				next.elems = append(next.elems, x.Int())
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, next)
		}
		for len(all) > 0 {
			i := rapid.IntRange(0, len(all)-1).Draw(t, "look at")
			got := all[i]
			elems, err := m.elems(&got.v)
			if err != nil || len(elems) != len(got.elems) {
				t.Fatalf("version %d has %d elements, want %v: %v", i, len(elems), got.elems, err)
			}
			for j, want := range got.elems {
				if elems[j].Int() != want {
					t.Fatalf("version %d: element %d is %d, want %v", i, j, elems[j].Int(), got.elems)
				}
				if isMap {
					if v, _ := m.member(&got.v, got.names[j]); v.Int() != want || v.IsNull() {
						t.Fatalf("version %d: member %s is %s, want %d", i, got.names[j], jsonOf(v), want)
					}
				}
			}
			if isMap {
				if v, _ := m.member(&got.v, "none"); !v.IsNull() {
					t.Fatalf("version %d has a member that nobody put there", i)
				}
			}
			if _, weight := measure(got.v); weight != int64(len(got.elems)+len(got.names)) {
				t.Fatalf("version %d weighs %d, want %d", i, weight, len(got.elems)+len(got.names))
			}
			all = append(all[:i], all[i+1:]...)
		}
	})
}

// TestMeasureFollowsPut: the depth of an array is that of what is in it now.
func TestMeasureFollowsPut(t *testing.T) {
	m := testEnv(nil).meter
	deep, _ := newArray([]Value{flatArray(nil)}, m)
	a, _ := newArray([]Value{Int(1), deep}, m)
	for _, c := range []struct {
		at    int
		x     Value
		depth int
	}{{0, flatArray(nil), 3}, {1, Int(2), 2}, {0, Int(3), 1}, {1, deep, 3}} {
		next, err := m.replace(&a, c.at, &c.x)
		if err != nil {
			t.Fatal(err)
		}
		a = next
		depth, weight := measure(a)
		wantDepth, wantWeight := measure(Array(a.Elems()))
		if depth != c.depth || depth != wantDepth || weight != wantWeight {
			t.Errorf("put %s: depth %d, weight %d, want %d, %d", jsonOf(c.x), depth, weight, wantDepth, wantWeight)
		}
	}
}

// TestBuildingIsLinear: to build an array or a map of n elements takes steps and
// memory in proportion to n, whatever an iteration reads of it meanwhile.
func TestBuildingIsLinear(t *testing.T) {
	for name, body := range map[string]string{
		"append":          "let a = append(a, i) let n = count(a)",
		"append and read": "let a = append(a, i) let n = a[count(a) - 1] + count(a)",
		"put in a map":    "let m = put(m, to_str(i), i) let n = m['1'] + count(m)",
		"replace":         "let b = put(b, i % 1000, i) let n = b[i % 1000]",
		"replace members": "let d = put(d, to_str(i % 100), i)",
	} {
		used := func(n int) (steps, memory int64) {
			source := fmt.Sprintf("let a = [] let m = {} let b = 1..1000 let d = {} for i in 1..%d do %s end", n, body)
			p, err := Compile(source, nil)
			if err != nil {
				t.Fatal(err)
			}
			c, err := p.Bind(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Release()
			if _, err := c.Run(nil, nil, 0); err != nil {
				t.Fatalf("%s, %d times: %v", name, n, err)
			}
			return c.steps, c.meter.memory
		}
		steps, memory := used(2000)
		more, larger := used(20_000)
		if more > 12*steps || larger > 14*memory {
			t.Errorf("%s: ten times as many take %d steps and %d bytes instead of %d and %d", name, more, larger, steps, memory)
		}
	}
}

// TestMapsKeepTheirOrder: also one that has an index.
func TestMapsKeepTheirOrder(t *testing.T) {
	m := testEnv(nil).meter
	names, elems, want := []string{}, []Value{}, "{"
	for i := range 100 {
		names, elems = append(names, fmt.Sprint("k", i%60)), append(elems, Int(int64(i)))
	}
	for i := range 60 {
		v := i
		if i < 40 {
			v += 60 // the later value, at the earlier place
		}
		want += fmt.Sprintf(`"k%d":%d,`, i, v)
	}
	v, err := newMap(names, elems, m)
	if got := jsonOf(v); err != nil || got != want[:len(want)-1]+"}" {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}
