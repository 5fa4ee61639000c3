package resp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// version is the version of Redis whose protocol clients may expect.
const version = "7.4.0"

var scriptCommands = []*command{
	{name: "EVAL", arity: -3, writes: true, plan: func(c *conn, args [][]byte) (op, error) { return eval(c, args, false, false) }},
	{name: "EVALSHA", arity: -3, writes: true, plan: func(c *conn, args [][]byte) (op, error) { return eval(c, args, true, false) }},
	{name: "EVAL_RO", arity: -3, plan: func(c *conn, args [][]byte) (op, error) { return eval(c, args, false, true) }},
	{name: "EVALSHA_RO", arity: -3, plan: func(c *conn, args [][]byte) (op, error) { return eval(c, args, true, true) }},
	{name: "SCRIPT", arity: -2, plan: scriptCommand},
	{name: "KAHUNA.RUN", arity: -2, writes: true, plan: kahunaRun},
}

var connectionCommands = []*command{
	{name: "PING", arity: -1, plan: ping},
	{name: "ECHO", arity: 2, plan: func(_ *conn, args [][]byte) (op, error) {
		text := string(args[1])
		return replying(func(w *writer) { w.bulk(text) }), nil
	}},
	{name: "TIME", arity: 1, plan: func(*conn, [][]byte) (op, error) {
		return replying(func(w *writer) {
			now := time.Now()
			w.array(2)
			w.bulk(strconv.FormatInt(now.Unix(), 10))
			w.bulk(strconv.Itoa(now.Nanosecond() / 1000))
		}), nil
	}},
	{name: "WAIT", arity: 3, plan: func(*conn, [][]byte) (op, error) { return replying(func(w *writer) { w.int(0) }), nil }},
	{name: "HELLO", arity: -1, control: hello, alone: true},
	{name: "AUTH", arity: -2, alone: true, control: func(c *conn, _ [][]byte) { c.refuse(errNoPassword) }},
	{name: "CLIENT", arity: -2, control: client, alone: true},
	{name: "SELECT", arity: 2, control: selectSpace, alone: true},
	{name: "QUIT", arity: -1, control: func(c *conn, _ [][]byte) {
		c.answer((*writer).ok)
		c.closing = true
	}},
	{name: "RESET", arity: 1, control: func(c *conn, _ [][]byte) {
		c.multi, c.watch, c.space, c.name = nil, nil, 0, ""
		c.answer(func(w *writer) { w.simple("RESET") })
		c.v3 = false
	}},
}

var errNoPassword = errors.New("ERR AUTH: this server has no passwords; it listens on the loopback only")

func ping(_ *conn, args [][]byte) (op, error) {
	switch len(args) {
	case 1:
		return replying(func(w *writer) { w.simple("PONG") }), nil
	case 2:
		text := string(args[1])
		return replying(func(w *writer) { w.bulk(text) }), nil
	}
	return op{}, errors.New("ERR wrong number of arguments for 'ping' command")
}

func hello(c *conn, args [][]byte) {
	v3, name := c.v3, c.name
	if len(args) > 1 {
		switch string(args[1]) {
		case "2":
			v3 = false
		case "3":
			v3 = true
		default:
			c.refuse(errors.New("NOPROTO unsupported protocol version"))
			return
		}
	}
	for i := 2; i < len(args); i++ {
		switch option := strings.ToUpper(string(args[i])); {
		case option == "SETNAME" && i+1 < len(args):
			i++
			name = string(args[i])
			if !cleanName(name) {
				c.refuse(errName)
				return
			}
		case option == "AUTH":
			c.refuse(errNoPassword)
			return
		default:
			c.refuse(fmt.Errorf("ERR Syntax error in HELLO option '%s'", strings.ToLower(option)))
			return
		}
	}
	c.v3, c.name = v3, name
	proto := int64(2)
	if v3 {
		proto = 3
	}
	c.answer(func(w *writer) {
		w.pairs(7)
		for _, pair := range [][2]string{{"server", "redis"}, {"version", version}, {"mode", "standalone"}, {"role", "master"}} {
			w.bulk(pair[0])
			w.bulk(pair[1])
		}
		w.bulk("proto")
		w.int(proto)
		w.bulk("id")
		w.int(c.id)
		w.bulk("modules")
		w.array(0)
	})
}

var errName = errors.New("ERR Client names cannot contain spaces, newlines or special characters")

func cleanName(name string) bool {
	return len(name) <= 256 && !strings.ContainsFunc(name, func(r rune) bool { return r < '!' || r > '~' })
}

func client(c *conn, args [][]byte) {
	switch sub := strings.ToUpper(string(args[1])); {
	case sub == "SETNAME" && len(args) == 3:
		if !cleanName(string(args[2])) {
			c.refuse(errName)
			return
		}
		c.name = string(args[2])
		c.answer((*writer).ok)
	case sub == "GETNAME" && len(args) == 2:
		c.answer(func(w *writer) {
			if c.name == "" {
				w.null()
			} else {
				w.bulk(c.name)
			}
		})
	case sub == "ID" && len(args) == 2:
		c.answer(func(w *writer) { w.int(c.id) })
	case sub == "SETINFO" && len(args) == 4, (sub == "NO-EVICT" || sub == "NO-TOUCH") && len(args) == 3:
		c.answer((*writer).ok)
	case sub == "INFO" && len(args) == 2:
		c.answer(func(w *writer) { w.bulk(c.describe()) })
	default:
		c.refuse(errors.New("ERR CLIENT knows SETNAME, GETNAME, ID, INFO, SETINFO, NO-EVICT and NO-TOUCH"))
	}
}

// describe is the line of CLIENT INFO.
func (c *conn) describe() string {
	resp := 2
	if c.v3 {
		resp = 3
	}
	return fmt.Sprintf("id=%d addr=%s laddr=%s name=%s age=%d db=%d resp=%d watch=%d qbuf=%d\n", c.id, c.remote, c.local, c.name,
		int(time.Since(c.opened).Seconds()), c.space, resp, len(c.watch), len(c.in))
}

func selectSpace(c *conn, args [][]byte) {
	switch string(args[1]) {
	case "0":
		c.space = 0
	case "1":
		c.space = 1
	default:
		c.refuse(errors.New("ERR DB index is out of range: 0 is the persistent space, 1 the ephemeral one"))
		return
	}
	c.answer((*writer).ok)
}
