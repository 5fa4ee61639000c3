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
	{name: "EVAL_RO", arity: -3, alone: true, plan: func(c *conn, args [][]byte) (op, error) { return eval(c, args, false, true) }},
	{name: "EVALSHA_RO", arity: -3, alone: true, plan: func(c *conn, args [][]byte) (op, error) { return eval(c, args, true, true) }},
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
	{name: "WAIT", arity: 3, plan: wait},
	{name: "HELLO", arity: -1, control: hello, alone: true, secret: true},
	{name: "AUTH", arity: -2, control: auth, alone: true, secret: true},
	{name: "CLIENT", arity: -2, control: client, alone: true},
	{name: "SELECT", arity: 2, control: selectSpace, plan: selectInMulti},
	{name: "QUIT", arity: -1, control: func(c *conn, _ [][]byte) {
		c.answer((*writer).ok)
		c.closing = true
	}},
	{name: "RESET", arity: 1, control: func(c *conn, _ [][]byte) {
		c.server.unmonitor(c)
		c.multi, c.space, c.about.name = nil, 0, ""
		c.unwatch()
		c.about.noEvict, c.about.noTouch, c.v3 = false, false, false
		c.answer(func(w *writer) { w.simple("RESET") })
	}},
	{name: "MONITOR", arity: 1, control: monitor, alone: true},
}

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

// wait is WAIT: there are no replicas to wait for.
func wait(_ *conn, args [][]byte) (op, error) {
	if _, err := strconv.ParseInt(string(args[1]), 10, 64); err != nil {
		return op{}, errNotInteger
	}
	ms, err := strconv.ParseInt(string(args[2]), 10, 64)
	if err != nil {
		return op{}, errors.New("ERR timeout is not an integer or out of range")
	}
	if ms < 0 {
		return op{}, errors.New("ERR timeout is negative")
	}
	return replying(func(w *writer) { w.int(0) }), nil
}

// The one user is default, and has no password: as in Redis, any is right then.
var (
	errNoPassword = errors.New("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
	errWrongPass  = errors.New("WRONGPASS invalid username-password pair or user is disabled")
)

func auth(c *conn, args [][]byte) {
	switch {
	case len(args) == 2:
		c.refuse(errNoPassword)
	case len(args) > 3:
		c.refuse(errSyntax)
	case string(args[1]) != "default":
		c.refuse(errWrongPass)
	default:
		c.answer((*writer).ok)
	}
}

// hello is HELLO [protocol [AUTH user password] [SETNAME name]].
func hello(c *conn, args [][]byte) {
	v3, name, err := helloOptions(c, args)
	if err != nil {
		c.refuse(err)
		return
	}
	c.v3, c.about.name = v3, name
	proto := int64(2)
	if v3 {
		proto = 3
	}
	c.answer(func(w *writer) {
		w.pairs(7)
		for _, pair := range [][2]string{{"server", "redis"}, {"version", version}} {
			w.bulk(pair[0])
			w.bulk(pair[1])
		}
		w.bulk("proto")
		w.int(proto)
		w.bulk("id")
		w.int(c.id)
		for _, pair := range [][2]string{{"mode", "standalone"}, {"role", "master"}} {
			w.bulk(pair[0])
			w.bulk(pair[1])
		}
		w.bulk("modules")
		w.array(0)
	})
}

func helloOptions(c *conn, args [][]byte) (v3 bool, name string, err error) {
	v3, name = c.v3, c.about.name
	if len(args) > 1 {
		n, err := strconv.ParseInt(string(args[1]), 10, 64)
		if err != nil {
			return false, "", errors.New("ERR Protocol version is not an integer or out of range")
		}
		if n != 2 && n != 3 {
			return false, "", errors.New("NOPROTO unsupported protocol version")
		}
		v3 = n == 3
	}
	for i := 2; i < len(args); i++ {
		switch option := strings.ToUpper(string(args[i])); {
		case option == "SETNAME" && i+1 < len(args):
			i++
			if name = string(args[i]); !cleanName(name) {
				return false, "", errName
			}
		case option == "AUTH" && i+2 < len(args):
			if string(args[i+1]) != "default" {
				return false, "", errWrongPass
			}
			i += 2
		default:
			return false, "", fmt.Errorf("ERR Syntax error in HELLO option '%.64s'", args[i])
		}
	}
	return v3, name, nil
}

var errNoSpace = errors.New("ERR DB index is out of range: 0 is the persistent space, 1 the ephemeral one")

// spaceOf is the space that a number means.
func spaceOf(text []byte) (int, error) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, errNotInteger
	}
	if n != 0 && n != 1 {
		return 0, errNoSpace
	}
	return int(n), nil
}

func selectSpace(c *conn, args [][]byte) {
	space, err := spaceOf(args[1])
	if err != nil {
		c.refuse(err)
		return
	}
	c.space = space
	c.answer((*writer).ok)
}

// selectInMulti is SELECT between MULTI and EXEC: it is for the commands behind it,
// and for those behind EXEC when that succeeds.
func selectInMulti(c *conn, args [][]byte) (op, error) {
	space, err := spaceOf(args[1])
	if err != nil {
		return op{}, err
	}
	c.multi.space = space
	return replying((*writer).ok), nil
}
