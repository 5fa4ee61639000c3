package script

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestProgramSize: a script takes about as much memory as Size says.
func TestProgramSize(t *testing.T) {
	numbered := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, source := range map[string]string{
		"nested arrays": "return [" + strings.Repeat("[[[[1]]]], ", 4000) + "1]",
		"integers":      "return [" + strings.Repeat("1, ", 15000) + "1]",
		"maps":          "return [" + strings.Repeat("{a: 1}, ", 5000) + "1]",
		"sets":          strings.Repeat("set a 1\n", 4500),
		"keys":          numbered(3000, "set k%d 1 nx ex 5\n"),
		"parameters":    "return [" + numbered(5000, "@p%d, ") + "1]",
		"calls":         "return [" + strings.Repeat("abs(1), ", 5000) + "1]",
		"patterns":      "return [" + strings.Repeat("matches(@a, \"(a|b){300}\"), ", 300) + "1]",
		"indices":       "let a = [1]\nreturn [" + strings.Repeat("a[0], ", 5000) + "1]",
	} {
		heap := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		p, err := Compile(source, &Limits{Statements: 1 << 20})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		taken := heap() - before
		t.Logf("%s: %d bytes of source take %d, estimated %d", name, len(source), taken, p.Size())
		if most := int64(p.Size())*5/4 + 64<<10; taken > most {
			t.Errorf("%s: it takes %d bytes, Size says %d", name, taken, p.Size())
		}
		if least := (int64(p.Size()) - 64<<10) / 8; taken < least {
			t.Errorf("%s: it takes only %d bytes, Size says %d", name, taken, p.Size())
		}
		runtime.KeepAlive(p)
	}
}
