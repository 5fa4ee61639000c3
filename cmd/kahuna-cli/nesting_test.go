package main

import "testing"

func TestNesting(t *testing.T) {
	for _, tt := range []struct {
		text, open string
		sure       bool
	}{
		{"", "", true},
		{"set a 'x", "string", true},
		{`set a "x\" `, "string", true},
		{`set a 'x\' `, "string", true},
		{"set a 'x' ", "", true},
		{"return [1, (2 ", "bracket", true},
		{"return [1, (2)] ", "", true},
		{"if a then set b (1 ", "bracket", true},
		{"return {a: 1, ", "bracket", true},
		{"return {a: [1]} ", "", true},
		{"IF a ", "block", true},
		{"if a then if b then end ", "block", true},
		{"if a then end end end ", "", true},
		{"begin ", "block", true},
		{"for i in 1..3 ", "block", true},
		{"for i in 1..3 do end ", "", true},
		{"get `if` get @for get iffy # begin", "", true},
		{"# it's\nif ", "block", true},
		{"get `it's\rif ", "block", true},
		{"while a ", "block", false}, // while may be a name
		{"while a do ", "block", true},
		{"switch a ", "block", false},
		{"let while = 3 ", "block", false},
		{"let while = 3 for i in b do ", "block", true},
		{"let while = 3 for i in b do end ", "block", false},
	} {
		var n nesting
		n.add(tt.text)
		if what, sure := n.open(); what != tt.open || sure != tt.sure {
			t.Errorf("%q: %q, %v; want %q, %v", tt.text, what, sure, tt.open, tt.sure)
		}
	}
}
