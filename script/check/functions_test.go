package check

import (
	"slices"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	names := FunctionNames()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("names are not sorted and unique: %q", names)
	}
	if len(names) != len(byName) {
		t.Errorf("%d names, %d in the table", len(names), len(byName))
	}
	longest := 0
	for _, name := range names {
		longest = max(longest, len(name))
		f, ok := Lookup(name)
		if !ok {
			t.Errorf("%s is unknown", name)
			continue
		}
		if !slices.Contains(f.ID.Aliases(), name) || f.ID.Aliases()[0] != f.Name {
			t.Errorf("%s: aliases %q, name %q", name, f.ID.Aliases(), f.Name)
		}
		if g, ok := Lookup(strings.ToUpper(name)); !ok || g != f {
			t.Errorf("%s in upper case: %v, %v", name, g, ok)
		}
	}
	if longest != nameMax {
		t.Errorf("the longest name has %d letters, nameMax is %d", longest, nameMax)
	}
	for _, name := range []string{"", "uper", "to__int", "nearly_equals_", "İs_null", "\x00", strings.Repeat("x", 1000)} {
		if f, ok := Lookup(name); ok {
			t.Errorf("%q found: %v", name, f)
		}
	}
}

func TestFunctionTable(t *testing.T) {
	for id := range NumFunctions {
		name := functions[id].names[0]
		f, _ := Lookup(name)
		if f.ID != id {
			t.Errorf("%s: id %d, want %d", name, f.ID, id)
		}
		impure := id == FuncCurrentTime || id == FuncHLC || id == FuncHLCCounter || id == FuncTTL || id == FuncRandom || id == FuncUUID
		if f.Pure == impure {
			t.Errorf("%s: Pure is %v", name, f.Pure)
		}
		if f.Accepts(f.Min-1) || !f.Accepts(f.Min) {
			t.Errorf("%s: does not take from %d arguments on", name, f.Min)
		}
		if f.Max < 0 != f.Accepts(1000) || f.Max >= 0 && (!f.Accepts(f.Max) || f.Accepts(f.Max+1)) {
			t.Errorf("%s: does not take up to %d arguments", name, f.Max)
		}
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	for _, name := range []string{"nearly_equals", "Nearly_Equals", "nope", "NOPE"} {
		if n := testing.AllocsPerRun(100, func() { Lookup(name) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
