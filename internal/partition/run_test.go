package partition

import (
	"runtime"
	"strings"
	"testing"
)

// TestLargeWrite: what a script writes is copied when its batch is proposed,
// not while others wait for the executor.
func TestLargeWrite(t *testing.T) {
	p := onStore(t, 1<<30)
	const size = 16 << 20
	work := put("k", strings.Repeat("x", size))
	var before, ran, encoded runtime.MemStats
	runtime.ReadMemStats(&before)
	p.run(work)
	runtime.ReadMemStats(&ran)
	data := p.Take().Entry().Encode()
	runtime.ReadMemStats(&encoded)
	if n := ran.TotalAlloc - before.TotalAlloc; n > size/16 {
		t.Errorf("the run took %d bytes of memory", n)
	}
	if n := encoded.TotalAlloc - ran.TotalAlloc; len(data) < size || n > size+size/16 {
		t.Errorf("an entry of %d bytes took %d of memory", len(data), n)
	}
}
