package resp

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"kahuna"
)

// TestHeldByAll: answers that wait for others are bounded for all connections
// together, too, and no longer counted when their connection has ended.
func TestHeldByAll(t *testing.T) {
	var log logged
	s := New(openStore(t), Options{OutputBytes: 1 << 20, AllOutputBytes: 2 << 20, Logger: log.logger()})
	var all []*conn
	var slots []*slot
	flooded := 0
	for range 10 {
		f, c := open(s)
		first := c.newSlot(nil)
		c.started(first, false)
		slots = append(slots, first)
		next := c.newSlot(func(w *writer, _ *answer) { w.bulk(strings.Repeat("v", 900<<10)) })
		c.started(next, true)
		next.finish()
		if c.flooded.Load() {
			flooded++
		}
		all = append(all, c)
		_ = f
	}
	if n := s.held.Load(); n > 3<<20 || flooded < 6 {
		t.Errorf("%d bytes are held, %d connections are cut off", n, flooded)
	}
	for _, c := range all {
		s.end(c)
	}
	for i, first := range slots {
		first.reply = func(w *writer, _ *answer) { w.bulk(strings.Repeat("v", 100<<10)) }
		first.finish()
		all[i].goOn()
	}
	if n := s.held.Load(); n != 0 {
		t.Errorf("%d bytes are held by nobody", n)
	}
}

// longKeys opens a store whose keys may be long.
func longKeys(t *testing.T) *kahuna.DB {
	t.Helper()
	db, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{KeyBytes: 32 << 10}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// TestWatchBounded: what WATCH keeps is counted as what a connection has sent, and
// bounded.
func TestWatchBounded(t *testing.T) {
	s, addr := serveStore(t, longKeys(t), Options{Limits: kahuna.Limits{ValueBytes: 1 << 10}})
	c := dial(t, addr)
	name := func(i int) string { return fmt.Sprintf("%05d", i) + strings.Repeat("x", 30<<10) }
	refused := false
	for i := range 40 {
		c.send(request("WATCH", name(i)))
		if a := c.answer(); a != "+OK\r\n" {
			if refused = true; !strings.HasPrefix(a, "-LIMIT ") {
				t.Errorf("got %.100q", a)
			}
			break
		}
	}
	if !refused {
		t.Error("a connection watches 1.2 MB of keys")
	}
	c.do("+PONG\r\n", "PING")
	if n := s.input.Load(); n < 900<<10 || n > 1100<<10 {
		t.Errorf("%d bytes are counted", n)
	}
	c.do("+OK\r\n", "UNWATCH")
	c.do("+PONG\r\n", "PING")
	if n := s.input.Load(); n != 0 {
		t.Errorf("%d bytes are counted for nothing", n)
	}
}

// TestScanBounded: an answer to SCAN has a few megabytes at most, and the next
// goes on behind it; one to KEYS that is too large is refused; cursors are bounded
// by their bytes.
func TestScanBounded(t *testing.T) {
	s, addr := serveStore(t, longKeys(t), Options{OutputBytes: 4 << 20})
	c := dial(t, addr)
	const n = 100
	for i := range n {
		c.do("+OK\r\n", "SET", fmt.Sprintf("%05d", i)+strings.Repeat("x", 30<<10), "")
	}
	cursor, found := "0", 0
	for {
		c.send(request("SCAN", cursor, "COUNT", "100000"))
		a := c.answer()
		if len(a) > 2<<20 {
			t.Fatalf("an answer has %d bytes", len(a))
		}
		parts := strings.SplitN(a, "\r\n", 5)
		cursor = parts[2]
		m, err := strconv.Atoi(strings.TrimPrefix(parts[3], "*"))
		if err != nil {
			t.Fatalf("got %.100q", a)
		}
		if found += m; cursor == "0" {
			break
		}
	}
	if found != n {
		t.Errorf("SCAN finds %d keys of %d", found, n)
	}
	c.send(request("KEYS", "*"))
	if a := c.answer(); !strings.HasPrefix(a, "-LIMIT ") {
		t.Errorf("KEYS: %.100q", a)
	}
	for i := range 1000 {
		s.cursors.put(fmt.Sprintf("%05d", i) + strings.Repeat("x", 30<<10))
	}
	if s.cursors.bytes > cursorsBytes || len(s.cursors.places) > cursorsBytes/(30<<10) {
		t.Errorf("%d cursors have %d bytes", len(s.cursors.places), s.cursors.bytes)
	}
	if _, ok := s.cursors.get(s.cursors.last); !ok {
		t.Error("the newest cursor is gone")
	}
}

// TestSelectInMulti: SELECT between MULTI and EXEC is for what is behind it, and
// for the connection when EXEC succeeds, as in Redis.
func TestSelectInMulti(t *testing.T) {
	_, addr := serve(t, Options{})
	c := dial(t, addr)
	c.send(request("MULTI") + request("SET", "a", "0") + request("SELECT", "1") + request("SET", "b", "1") + request("EXEC") +
		request("GET", "b") + request("GET", "a"))
	c.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n+OK\r\n+OK\r\n$1\r\n1\r\n$-1\r\n")
	c.send(request("MULTI") + request("SELECT", "0") + request("GET", "a") + request("UNWATCH") + request("DISCARD") + request("GET", "b"))
	c.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+OK\r\n$1\r\n1\r\n")
	c.send(request("MULTI") + request("SELECT", "0") + request("SET", "a", "text") + request("INCR", "a") + request("EXEC") + request("GET", "b"))
	c.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n")
	if a := c.answer(); !strings.HasPrefix(a, "-EXECABORT ") {
		t.Errorf("got %q", a)
	}
	c.expect("$1\r\n1\r\n") // it has stayed in 1
	c.do("+OK\r\n", "MULTI")
	c.send(request("SELECT", "2"))
	if a := c.answer(); !strings.HasPrefix(a, "-ERR DB index") {
		t.Errorf("got %q", a)
	}
	for _, args := range [][]string{{"HELLO"}, {"CLIENT", "ID"}, {"AUTH", "x"}, {"MONITOR"}} {
		c.send(request(args...))
		if a := c.answer(); !strings.Contains(a, "is not allowed between MULTI and EXEC") {
			t.Errorf("%s: %q", args[0], a)
		}
	}
	c.do("-EXECABORT Transaction discarded because of previous errors.\r\n", "EXEC")
}
