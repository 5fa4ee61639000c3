package resp

import (
	"runtime"
	"testing"
)

// TestIdleMemory: a connection that rests keeps little, also when it has had large
// requests, answers and pipelines.
func TestIdleMemory(t *testing.T) {
	const connections, each = 300, 3 << 10
	s := New(openStore(t), Options{})
	large := []byte(request(append([]string{"EXISTS"}, make([]string, 5000)...)...))
	pipeline := []byte(request("PING"))
	for range 10 {
		pipeline = append(pipeline, pipeline...)
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	var all []*conn
	for range connections {
		f, c := open(s)
		f.sink = true
		c.traffic(large[:len(large)-1])
		c.traffic(large[len(large)-1:])
		c.traffic(pipeline)
		c.traffic([]byte(request("CLIENT", "SETNAME", "a client of a test")))
		all = append(all, c)
	}
	if n := (heap() - before) / connections; n > each {
		t.Errorf("%d bytes a connection", n)
	}
	for _, c := range all {
		if len(c.in) > 0 || c.closed {
			t.Fatal("it does not rest")
		}
	}
}
