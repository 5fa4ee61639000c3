package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kahuna/script/syntax"
)

// The texts of diagnostics are pinned by the golden files of package script;
// here is what else an Info says.

func check(t *testing.T, source string) *Info {
	t.Helper()
	s, diags := syntax.Parse(source, syntax.Limits{})
	if len(diags) > 0 {
		t.Fatalf("%s: %v", source, diags)
	}
	return Check(s)
}

func TestNames(t *testing.T) {
	in := check(t, "let b = @p for a in [b, @q] do set @p a let b = get @r end set (concat(@q, 'x')) 1 return b")
	if !in.OK() || len(in.Diagnostics) != 0 {
		t.Fatalf("%+v", in.Diagnostics)
	}
	if !slices.Equal(in.Vars, []string{"b", "a"}) {
		t.Errorf("variables %q", in.Vars)
	}
	if slot, ok := in.Slot("a"); slot != 1 || !ok {
		t.Errorf("a is in slot %d, %v", slot, ok)
	}
	if _, ok := in.Slot("p"); ok {
		t.Error("a placeholder is a variable")
	}
	var found []string
	for i, p := range in.Placeholders {
		found = append(found, fmt.Sprintf("%s@%d key=%v@%d", p.Name, p.Pos.Column, p.Key, p.KeyPos.Column))
		if n, ok := in.Param(p.Name); n != i || !ok {
			t.Errorf("%s has index %d, %v", p.Name, n, ok)
		}
	}
	if want := []string{"p@9 key=true@36", "q@25 key=false@0", "r@53 key=true@53"}; !slices.Equal(found, want) {
		t.Errorf("placeholders %q, want %q", found, want)
	}
}

func TestKeys(t *testing.T) {
	for _, x := range []struct {
		command string
		access  Access
		class   Class
		history bool
	}{
		{"get k", Read, Static, false},
		{"eexists `k`", Read, Static, false},
		{"set 'k' 1", Write, Static, false},
		{"delete @k", Write, Bindable, false},
		{"extend ('k') 1", Write, Bindable, false},
		{"get (concat('a', @k, 1 + 2)) at 1", Read, Bindable, true},
		{"get (-@k ?? [1][0]) as of 5", Read, Bindable, true},
		{"get by bucket (@a && @b || !@c)", ReadBucket, Bindable, false},
		{"escan by prefix (v)", ReadPrefix, Dynamic, false},
		{"get (not set)", Read, Dynamic, false},
		{"get (concat('a', hlc()))", Read, Dynamic, false},
		{"get (1 .. hlc_counter())", Read, Dynamic, false},
		{"get (current_time() - 1)", Read, Dynamic, false},
		{"get by bucket (get k) as of 7", ReadBucket, Dynamic, true},
		{"get ((set k 1))", Read, Dynamic, false},
	} {
		in := check(t, "let v = 1 "+x.command)
		if len(in.Keys) == 0 {
			t.Errorf("%s: no keys", x.command)
			continue
		}
		if k := in.Keys[0]; k.Access != x.access || k.Class != x.class || k.History != x.history {
			t.Errorf("%s: %+v", x.command, k)
		}
	}
	in := check(t, "begin (snapshot=5) get k get k at 1 get by bucket b commit end")
	for _, k := range in.Keys {
		if !k.History {
			t.Errorf("%+v is not read from a snapshot", k)
		}
	}
	in = check(t, "get (get a) set (get b) (get c)")
	var names []string
	for _, k := range in.Keys {
		names = append(names, k.Key.Name)
	}
	if got := strings.Join(names, " "); got != " a  b c" {
		t.Errorf("keys %q are not in source order", got)
	}
}

func TestAbilities(t *testing.T) {
	for source, want := range map[string][3]bool{
		"return get k":                             {},
		"return [extend k 1]":                      {true, false, false},
		"if exists k then sleep 5 end":             {false, true, false},
		"sleep 0":                                  {},
		"let x = 0 sleep x":                        {false, true, false},
		"for i in 1..2 do while i < 1 do end end":  {false, false, true},
		"switch 1 case 1 then else eset k 1 end":   {true, false, false},
		"get k at to_int((delete k)) return false": {true, false, false},
	} {
		in := check(t, source)
		if got := [3]bool{in.CanWrite, in.CanSleep, in.HasWhile}; got != want {
			t.Errorf("%s: %v, want %v", source, got, want)
		}
	}
}

func TestOptions(t *testing.T) {
	in := check(t, "begin (timeout=7s, Locking=OPTIMISTIC, priority=@p, snapshot=@s, asyncRelease='yes') commit end")
	want := NewOptions()
	want.TimeoutMs, want.Locking, want.AsyncRelease = 7000, Optimistic, true
	if in.Options != want || !in.Snapshot() || !in.OK() {
		t.Errorf("%+v", in.Options)
	}
	var bound []string
	for _, b := range in.BoundOptions {
		bound = append(bound, fmt.Sprint(b.ID, "=@", in.Placeholders[b.Param].Name))
	}
	if got := strings.Join(bound, " "); got != "priority=@p snapshot=@s" {
		t.Errorf("bound %s", got)
	}
	if o := check(t, "return 1").Options; !o.AutoCommit {
		t.Error("a script without begin does not commit")
	}
	o := NewOptions()
	for _, id := range []OptionID{optAutoCommit, optTimeout, optLocking, optSnapshot, optPriority, optAdmissionWait,
		optAsyncRelease, optReadValidation, optDecisionDurability} {
		for _, v := range []OptionValue{{Kind: OtherValue, Shown: "null"}, TextOption(""), TextOption("99999999999999999999"), {Kind: WholeValue, Int: -1, Shown: "-1"}} {
			if message, _ := o.Set(id, v); message == "" || !strings.Contains(message, "'"+id.String()+"'") {
				t.Errorf("%s takes %+v: %q", id, v, message)
			}
		}
	}
	if o != NewOptions() {
		t.Errorf("a refused value was kept: %+v", o)
	}
}
