package resp

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/panjf2000/gnet/v2"
)

// TestClientListKill: connections are listed with what they are, and closed by
// each filter.
func TestClientListKill(t *testing.T) {
	s, addr := serve(t, Options{})
	c := dial(t, addr)
	steps(t, c, "CLIENT SETNAME me => +OK\nCLIENT SETINFO lib-name lib => +OK\nHELLO 3 => ?")
	others := map[string]*rawClient{}
	for _, name := range []string{"id", "addr", "old", "all"} {
		o := dial(t, addr)
		o.do("+OK\r\n", "CLIENT", "SETNAME", name)
		others[name] = o
	}
	c.send(request("CLIENT", "LIST"))
	list := strings.Split(strings.TrimSpace(c.text()), "\n")
	if len(list) != 5 || !strings.Contains(list[0], "name=me ") || !strings.Contains(list[0], "cmd=client ") ||
		!strings.Contains(list[0], " resp=3 lib-name=lib ") || !strings.Contains(list[4], "name=all ") {
		t.Fatalf("%q", list)
	}
	local := func(name string) string { return others[name].LocalAddr().String() }
	steps(t, c, fmt.Sprintf(`
CLIENT LIST ID 1 => ?
CLIENT LIST TYPE pubsub => ?
CLIENT LIST TYPE x => -ERR Unknown client type 'x'
CLIENT LIST ID x => -ERR Invalid client ID
CLIENT KILL ID 2 => :1
CLIENT KILL ID 99 TYPE normal => :0
CLIENT KILL ADDR %s SKIPME no => :1
CLIENT KILL 1.2.3.4:5 => -ERR No such client
CLIENT KILL %s => +OK
CLIENT KILL ID x => -ERR client-id should be greater than 0
CLIENT KILL SKIPME maybe => -ERR syntax error
CLIENT KILL USER nobody => -ERR No such user 'nobody'
CLIENT KILL TYPE normal => :1
PING => +PONG
CLIENT KILL TYPE normal SKIPME no => :1
`, local("addr"), local("old")))
	for _, o := range others {
		o.expectEnd()
	}
	c.expectEnd()
	eventually(t, func() bool { return s.open.Load() == 0 })
}

// text reads an answer that is a text, of either protocol.
func (c *rawClient) text() string {
	c.t.Helper()
	_, text, _ := strings.Cut(c.answer(), "\r\n")
	return strings.TrimPrefix(text, "txt:")
}

// TestSlowlog: a request that takes long is kept with its beginning, secrets not.
func TestSlowlog(t *testing.T) {
	_, addr := serve(t, Options{})
	c := dial(t, addr)
	steps(t, c, "CLIENT SETNAME me => +OK")
	long := strings.Repeat("x", 200)
	c.do("$2\r\nok\r\n", append([]string{"EVAL", "sleep 20ms\nreturn 'ok'", "0", long}, make([]string, 20)...)...)
	c.do(":1\r\n", "SLOWLOG", "LEN")
	c.send(request("SLOWLOG", "GET"))
	got := c.answer()
	for _, want := range []string{"sleep 20ms\nreturn 'ok'\r\n", strings.Repeat("x", 128) + "... (72 more bytes)", "... (8 more arguments)", "$2\r\nme\r\n", c.LocalAddr().String()} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	c.do("+OK\r\n", "SLOWLOG", "RESET")
	c.do("*0\r\n", "SLOWLOG", "GET", "-1")
	if n := note(nil).of(lookup([]byte("auth")), [][]byte{[]byte("AUTH"), []byte("default"), []byte("pw")}); strings.Join(n.args(), " ") != "AUTH (redacted)" {
		t.Errorf("a secret: %q", n.args())
	}
	var log slowLog
	idle := New(openStore(t), Options{}) // what a server has belongs to its loop
	for range slowMost + 5 {
		log.add(&conn{server: idle}, note(nil).of(nil, [][]byte{[]byte("GET")}), slowAfter)
	}
	var w writer
	log.write(&w, -1, idle.started)
	if !strings.HasPrefix(string(w.b), "*128\r\n*6\r\n:132\r\n") || !strings.Contains(string(w.b), "*6\r\n:5\r\n") || strings.Contains(string(w.b), "*6\r\n:4\r\n") {
		t.Errorf("%q", w.b)
	}
}

// TestMonitor: a monitor is shown what others send, without secrets, until it is
// reset.
func TestMonitor(t *testing.T) {
	_, addr := serve(t, Options{})
	m, c := dial(t, addr), dial(t, addr)
	m.do("+OK\r\n", "MONITOR")
	c.do("+OK\r\n", "SET", "k", "a\nb"+strings.Repeat("x", 300))
	c.do("+OK\r\n", "AUTH", "default", "secret")
	for _, want := range []string{
		" [0 " + c.LocalAddr().String() + `] "SET" "k" "a\nb` + strings.Repeat("x", 253) + `"... (47 more bytes)`,
		`"AUTH" "(redacted)"`,
	} {
		if got := m.answer(); !strings.HasSuffix(got, want+"\r\n") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	m.send(request("RESET"))
	m.answer() // it is shown its own
	m.expect("+RESET\r\n")
	c.do("+PONG\r\n", "PING")
	m.do("+PONG\r\n", "PING")
}

// TestMonitorBounded: a monitor that does not read misses lines, and is told how
// many.
func TestMonitorBounded(t *testing.T) {
	s := New(openStore(t), Options{})
	f, m := open(s)
	m.traffic([]byte(request("MONITOR")))
	_, c := open(s)
	m.sender = &sender{}
	m.sender.busy.Store(true)
	m.sender.left.Store(monitorWaiting + 1)
	for range 3 {
		c.traffic([]byte(request("PING")))
	}
	m.sender, f.out = nil, nil
	c.traffic([]byte(request("ECHO", "x")))
	m.traffic(nil)
	if got := string(f.out); strings.Count(got, "\r\n") != 2 || !strings.Contains(got, "(3 requests left out") || !strings.Contains(got, `"ECHO" "x"`) {
		t.Errorf("%q", got)
	}
	s.OnClose(f, nil)
	if len(s.monitors) != 0 {
		t.Error("a monitor stays when its connection is closed")
	}
}

// TestClosedWhileWriting: a connection may end with each write, also when it has
// sent a part of a request before.
func TestClosedWhileWriting(t *testing.T) {
	s := New(openStore(t), Options{})
	f, c := open(s)
	c.traffic([]byte(request("SET", "k", strings.Repeat("v", 300<<10)) + "*2\r\n$3\r\nGET"))
	for len(f.out) == 0 { // the write becomes durable
		<-f.woken
		c.traffic(nil)
	}
	f.fail = errors.New("gone")
	if c.traffic([]byte("\r\n$1\r\nk\r\n"+request("GET", "k")+"*2\r\n")) != gnet.Close {
		t.Error("it stays open")
	}
	s.OnClose(f, f.fail)
	if !c.closed || s.input.Load() != 0 || s.output.Load() != 0 || s.open.Load() != 0 {
		t.Errorf("closed %v, input %d, output %d, open %d", c.closed, s.input.Load(), s.output.Load(), s.open.Load())
	}
}
