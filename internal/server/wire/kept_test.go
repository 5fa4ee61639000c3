package wire

import (
	"fmt"
	"strings"
	"testing"

	"kahuna"
)

// TestPrograms: those not used for the longest time go.
func TestPrograms(t *testing.T) {
	db, err := kahuna.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p := NewPrograms(3, 100)
	add := func(source string) {
		t.Helper()
		program, err := db.Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		p.Keep(source, program)
	}
	for i := range 3 {
		add(fmt.Sprint("return ", i))
	}
	p.Get("return 0")
	add("return 3")
	if p.Get("return 0") == nil || p.Get("return 1") != nil {
		t.Error("the wrong one is gone")
	}
	add("return '" + strings.Repeat("x", 90) + "'")
	if n := p.recent.Len(); n != 1 || p.bytes > 100 {
		t.Errorf("%d are kept, of %d bytes", n, p.bytes)
	}
}
