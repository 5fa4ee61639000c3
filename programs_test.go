package kahuna

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kahuna/script"
)

// TestProgramsBytes: what the cache keeps is bounded by what the compiled
// scripts take, and not by their texts.
func TestProgramsBytes(t *testing.T) {
	c := newProgramCache(0, nil)
	c.maxBytes = 2 << 20
	source := func(i int) string {
		return fmt.Sprintf("return [%d, %s]", i, strings.Repeat("[[[1]]], ", 500)+"1")
	}
	total := 0
	for i := range 20 {
		p, err := c.get(source(i))
		if err != nil {
			t.Fatal(err)
		}
		total += p.Size()
		kept := 0
		for _, e := range c.entries {
			kept += e.Value.(*cachedProgram).program.Size()
		}
		if kept > c.maxBytes || kept != c.bytes {
			t.Fatalf("%d scripts of %d bytes: %d bytes are kept, %d counted, at most %d are allowed", i+1, len(source(i)), kept, c.bytes, c.maxBytes)
		}
	}
	if total <= c.maxBytes {
		t.Fatalf("the scripts take %d bytes in all: too few for this test", total)
	}
	if c.entries[source(19)] == nil {
		t.Error("the newest script is not kept")
	}
}

// TestProgramsIdle: the cache drops what was not used for long, and only that.
func TestProgramsIdle(t *testing.T) {
	c := newProgramCache(0, nil)
	now := time.Unix(1, 0)
	c.now = func() time.Time { return now }
	get := func(source string) *script.Program {
		p, err := c.get(source)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	idle := get("return 'idle'")
	busy := get("return 'busy'")
	for range 10 {
		now = now.Add(programIdle / 5)
		if get("return 'busy'") != busy {
			t.Fatal("a busy script was compiled again")
		}
	}
	get("return 'other'")
	if get("return 'busy'") != busy {
		t.Error("the busiest script was dropped as idle")
	}
	if get("return 'idle'") == idle {
		t.Error("an idle script was kept")
	}
}
