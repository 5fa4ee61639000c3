package resp

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"kahuna"
)

var (
	errSyntax     = errors.New("ERR syntax error")
	errNotInteger = errors.New("ERR value is not an integer or out of range")
	errNotFloat   = errors.New("ERR value is not a valid float")
)

var stringCommands = []*command{
	{name: "GET", arity: 2, first: 1, last: 1, step: 1, plan: func(_ *conn, args [][]byte) (op, error) {
		return op{kind: opGet, key: string(args[1]), reply: value}, nil
	}},
	{name: "SET", arity: -3, first: 1, last: 1, step: 1, writes: true, plan: set},
	{name: "SETNX", arity: 3, first: 1, last: 1, step: 1, writes: true, plan: func(_ *conn, args [][]byte) (op, error) {
		return op{kind: opSet, key: string(args[1]), value: string(args[2]), set: &kahuna.SetOptions{NX: true}, reply: written}, nil
	}},
	{name: "SETEX", arity: 4, first: 1, last: 1, step: 1, writes: true, plan: func(_ *conn, args [][]byte) (op, error) {
		return setFor("setex", args, time.Second)
	}},
	{name: "PSETEX", arity: 4, first: 1, last: 1, step: 1, writes: true, plan: func(_ *conn, args [][]byte) (op, error) {
		return setFor("psetex", args, time.Millisecond)
	}},
	{name: "GETSET", arity: 3, first: 1, last: 1, step: 1, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return c.scripted("getset", kahuna.Params{"k": string(args[1]), "v": string(args[2])}, scripted), nil
	}},
	{name: "GETDEL", arity: 2, first: 1, last: 1, step: 1, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return c.scripted("getdel", kahuna.Params{"k": string(args[1])}, scripted), nil
	}},
	{name: "GETEX", arity: -2, first: 1, last: 1, step: 1, writes: true, plan: getex},
	{name: "MGET", arity: -2, first: 1, last: -1, step: 1, plan: func(c *conn, args [][]byte) (op, error) {
		return c.scripted("mget", kahuna.Params{"keys": texts(args[1:])}, scripted), nil
	}},
	{name: "MSET", arity: -3, first: 1, last: -1, step: 2, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return mset(c, "mset", args, func(w *writer, _ *kahuna.Result) { w.ok() })
	}},
	{name: "MSETNX", arity: -3, first: 1, last: -1, step: 2, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return mset(c, "msetnx", args, func(w *writer, r *kahuna.Result) { entry(w, &r.Entries[0]) })
	}},
	{name: "INCR", arity: 2, first: 1, last: 1, step: 1, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return c.scripted("incr", kahuna.Params{"k": string(args[1]), "by": int64(1)}, counted), nil
	}},
	{name: "DECR", arity: 2, first: 1, last: 1, step: 1, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return c.scripted("incr", kahuna.Params{"k": string(args[1]), "by": int64(-1)}, counted), nil
	}},
	{name: "INCRBY", arity: 3, first: 1, last: 1, step: 1, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return incrBy(c, args, 1)
	}},
	{name: "DECRBY", arity: 3, first: 1, last: 1, step: 1, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return incrBy(c, args, -1)
	}},
	{name: "INCRBYFLOAT", arity: 3, first: 1, last: 1, step: 1, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return c.scripted("incrfloat", kahuna.Params{"k": string(args[1]), "by": string(args[2])}, countedFloat), nil
	}},
	{name: "APPEND", arity: 3, first: 1, last: 1, step: 1, writes: true, plan: func(c *conn, args [][]byte) (op, error) {
		return c.scripted("append", kahuna.Params{"k": string(args[1]), "v": string(args[2])},
			with(func(w *writer, r *kahuna.Result) { w.int(int64(len(r.Text()))) })), nil
	}},
	{name: "STRLEN", arity: 2, first: 1, last: 1, step: 1, plan: func(_ *conn, args [][]byte) (op, error) {
		return op{kind: opGet, key: string(args[1]), reply: read(func(w *writer, e kahuna.Entry, _ bool) { w.int(int64(len(e.Value))) })}, nil
	}},
	{name: "GETRANGE", arity: 4, first: 1, last: 1, step: 1, plan: getRange},
}

// texts copies arguments.
func texts(args [][]byte) []string {
	list := make([]string, len(args))
	for i, a := range args {
		list[i] = string(a)
	}
	return list
}

// value writes what was read, or null.
func value(w *writer, a *answer) {
	switch {
	case a.err != nil:
		w.failed(a.err)
	case !a.found:
		w.null()
	default:
		w.bulk(a.entry.Value)
	}
}

// read makes a reply of what was read.
func read(f func(w *writer, e kahuna.Entry, found bool)) func(*writer, *answer) {
	return func(w *writer, a *answer) {
		if a.err != nil {
			w.failed(a.err)
			return
		}
		f(w, a.entry, a.found)
	}
}

// with makes a reply of what a command's script returned.
func with(f func(w *writer, r *kahuna.Result)) func(*writer, *answer) {
	return func(w *writer, a *answer) {
		if a.err != nil {
			w.fail(ownError(a.err, nil))
			return
		}
		f(w, a.res)
	}
}

// scripted, counted and countedFloat are the answers of a command's script, with
// the error of what is no number.
func scripted(w *writer, a *answer)     { ownAnswer(w, a, nil) }
func counted(w *writer, a *answer)      { ownAnswer(w, a, errNotInteger) }
func countedFloat(w *writer, a *answer) { ownAnswer(w, a, errNotFloat) }

func ownAnswer(w *writer, a *answer, noNumber error) {
	switch {
	case a.err != nil:
		w.fail(ownError(a.err, noNumber))
	default:
		result(w, a)
	}
}

// ownError is the error of a command's script: without the position in it, which
// its caller did not write.
func ownError(err, noNumber error) string {
	var e *kahuna.Error
	if !errors.As(err, &e) {
		return errorText(err)
	}
	if noNumber != nil && (e.Code == kahuna.CodeType || e.Code == kahuna.CodeRange) {
		return noNumber.Error()
	}
	bare := *e
	bare.Line, bare.Column = 0, 0
	return errorText(&bare)
}

// written writes whether a write had an effect.
func written(w *writer, a *answer) {
	switch {
	case a.err != nil:
		w.failed(a.err)
	case a.write.Done:
		w.int(1)
	default:
		w.int(0)
	}
}

// stored writes OK, or null when the conditions did not hold.
func storedReply(w *writer, a *answer) {
	switch {
	case a.err != nil:
		w.failed(a.err)
	case a.write.Done:
		w.ok()
	default:
		w.null()
	}
}

// lifetime parses the argument of an option that gives a key an end. It is 0 or
// less for a time that is over. EXPIRE and the like may be given 0 and less too.
func lifetime(option, command string, text []byte) (time.Duration, error) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, errNotInteger
	}
	invalid := errors.New("ERR invalid expire time in '" + command + "' command")
	if n <= 0 && !strings.Contains(command, "expire") {
		return 0, invalid
	}
	ms := n
	if option == "EX" || option == "EXAT" {
		if n > mostMillis/1000 || n < -mostMillis/1000 {
			return 0, invalid
		}
		ms = n * 1000
	}
	if ms > mostMillis || ms < -mostMillis {
		return 0, invalid
	}
	if option == "EXAT" || option == "PXAT" {
		ms = max(ms-time.Now().UnixMilli(), -mostMillis)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// setFlags are the options of SET.
type setFlags struct {
	o    kahuna.SetOptions
	get  bool
	gone bool // its end is over
}

func parseSet(args [][]byte) (f setFlags, err error) {
	timed := false
	for i := 3; i < len(args); i++ {
		option := strings.ToUpper(string(args[i]))
		switch option {
		case "NX":
			f.o.NX = true
		case "XX":
			f.o.XX = true
		case "GET":
			f.get = true
		case "KEEPTTL":
			f.o.KeepTTL = true
		case "EX", "PX", "EXAT", "PXAT":
			i++
			if i == len(args) || timed {
				return f, errSyntax
			}
			timed = true
			if f.o.TTL, err = lifetime(option, "set", args[i]); err != nil {
				return f, err
			}
			f.gone = f.o.TTL <= 0
		case "IFEQ":
			i++
			if i == len(args) {
				return f, errSyntax
			}
			text := string(args[i])
			f.o.Equals = &text
		default:
			return f, errSyntax
		}
	}
	exclusive := 0
	for _, on := range []bool{f.o.NX, f.o.XX, f.o.Equals != nil} {
		if on {
			exclusive++
		}
	}
	if exclusive > 1 || timed && f.o.KeepTTL || f.get && f.o.Equals != nil {
		return f, errSyntax
	}
	return f, nil
}

func set(c *conn, args [][]byte) (op, error) {
	key, text := string(args[1]), string(args[2])
	if len(args) == 3 {
		return op{kind: opSet, key: key, value: text, reply: storedReply}, nil
	}
	f, err := parseSet(args)
	if err != nil {
		return op{}, err
	}
	if f.gone {
		return setGone(c, key, f), nil
	}
	if !f.get {
		return op{kind: opSet, key: key, value: text, set: &f.o, reply: storedReply}, nil
	}
	mode := ""
	switch {
	case f.o.NX:
		mode = "nx" // with keepttl too: a key that is not live has no end
	case f.o.XX && f.o.KeepTTL:
		mode = "xx keepttl"
	case f.o.XX:
		mode = "xx"
	case f.o.KeepTTL:
		mode = "keepttl"
	}
	return c.scripted("setget", kahuna.Params{"k": key, "v": text, "mode": mode, "ttl": f.o.TTL.Milliseconds()}, scripted), nil
}

// setGone is a SET to an end that is over: it deletes the key.
func setGone(c *conn, key string, f setFlags) op {
	equals := ""
	if f.o.Equals != nil {
		equals = *f.o.Equals
	}
	params := kahuna.Params{"k": key, "nx": f.o.NX, "xx": f.o.XX, "ifeq": f.o.Equals != nil, "equals": equals, "get": f.get}
	return c.scripted("setgone", params, with(func(w *writer, r *kahuna.Result) {
		if !f.get && len(r.Entries) > 0 && r.Entries[0].Kind != kahuna.KindNull {
			w.ok()
			return
		}
		entry(w, &r.Entries[0])
	}))
}

// setFor is SETEX and PSETEX.
func setFor(command string, args [][]byte, unit time.Duration) (op, error) {
	option := "EX"
	if unit == time.Millisecond {
		option = "PX"
	}
	ttl, err := lifetime(option, command, args[2])
	if err != nil {
		return op{}, err
	}
	return op{kind: opSet, key: string(args[1]), value: string(args[3]), set: &kahuna.SetOptions{TTL: ttl}, reply: storedReply}, nil
}

func getex(c *conn, args [][]byte) (op, error) {
	key := string(args[1])
	if len(args) == 2 {
		return op{kind: opGet, key: key, reply: value}, nil
	}
	option := strings.ToUpper(string(args[2]))
	if option == "PERSIST" && len(args) == 3 {
		return c.scripted("getex", kahuna.Params{"k": key, "gone": false, "ttl": int64(0)}, scripted), nil
	}
	if len(args) != 4 || option != "EX" && option != "PX" && option != "EXAT" && option != "PXAT" {
		return op{}, errSyntax
	}
	ttl, err := lifetime(option, "getex", args[3])
	if err != nil {
		return op{}, err
	}
	return c.scripted("getex", kahuna.Params{"k": key, "gone": ttl <= 0, "ttl": max(ttl, 0).Milliseconds()}, scripted), nil
}

func mset(c *conn, name string, args [][]byte, reply func(*writer, *kahuna.Result)) (op, error) {
	if len(args)%2 == 0 {
		return op{}, errors.New("ERR wrong number of arguments for '" + name + "' command")
	}
	var keys, values []string
	for i := 1; i < len(args); i += 2 {
		keys, values = append(keys, string(args[i])), append(values, string(args[i+1]))
	}
	return c.scripted(name, kahuna.Params{"keys": keys, "values": values}, with(reply)), nil
}

func incrBy(c *conn, args [][]byte, sign int64) (op, error) {
	by, err := strconv.ParseInt(string(args[2]), 10, 64)
	if err != nil || sign < 0 && by == -1<<63 {
		return op{}, errNotInteger
	}
	return c.scripted("incr", kahuna.Params{"k": string(args[1]), "by": sign * by}, counted), nil
}

func getRange(_ *conn, args [][]byte) (op, error) {
	from, err1 := strconv.Atoi(string(args[2]))
	to, err2 := strconv.Atoi(string(args[3]))
	if err1 != nil || err2 != nil {
		return op{}, errNotInteger
	}
	return op{kind: opGet, key: string(args[1]), reply: read(func(w *writer, e kahuna.Entry, _ bool) {
		n := len(e.Value)
		first, last := from, to
		if first < 0 {
			first = max(first+n, 0)
		}
		if last < 0 {
			last += n
		}
		last = min(last, n-1)
		if first > last {
			w.bulk("")
			return
		}
		w.bulk(e.Value[first : last+1])
	})}, nil
}
