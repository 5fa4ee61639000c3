package resp

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// about is what CLIENT tells of a connection.
type about struct {
	opened     time.Duration
	active     time.Duration // when it last sent something
	name       string
	library    string
	libVersion string
	noEvict    bool
	noTouch    bool
	last       *command
	monitor    *monitored
}

var (
	errName     = errors.New("ERR Client names cannot contain spaces, newlines or special characters")
	errClientID = errors.New("ERR Invalid client ID")
)

func cleanName(name string) bool {
	return len(name) <= 256 && !strings.ContainsFunc(name, func(r rune) bool { return r < '!' || r > '~' })
}

// client is CLIENT with its subcommands.
func client(c *conn, args [][]byte) {
	var err error
	switch sub := strings.ToUpper(string(args[1])); {
	case sub == "SETNAME" && len(args) == 3:
		if name := string(args[2]); cleanName(name) {
			c.about.name = name
			c.answer((*writer).ok)
		} else {
			err = errName
		}
	case sub == "GETNAME" && len(args) == 2:
		c.answer(func(w *writer) {
			if c.about.name == "" {
				w.null()
			} else {
				w.bulk(c.about.name)
			}
		})
	case sub == "ID" && len(args) == 2:
		c.answer(func(w *writer) { w.int(c.id) })
	case sub == "INFO" && len(args) == 2:
		c.answer(func(w *writer) { w.text("txt", c.describe()) })
	case sub == "LIST":
		err = clientList(c, args[2:])
	case sub == "KILL" && len(args) > 2:
		err = clientKill(c, args[2:])
	case sub == "SETINFO" && len(args) == 4:
		err = setInfo(c, string(args[2]), string(args[3]))
	case sub == "NO-EVICT" && len(args) == 3:
		err = onOff(c, &c.about.noEvict, args[2])
	case sub == "NO-TOUCH" && len(args) == 3:
		err = onOff(c, &c.about.noTouch, args[2])
	default:
		err = subcommandError("CLIENT", args, "GETNAME", "ID", "INFO", "KILL …", "LIST …", "NO-EVICT ON|OFF", "NO-TOUCH ON|OFF",
			"SETINFO LIB-NAME|LIB-VER text", "SETNAME name")
	}
	if err != nil {
		c.refuse(err)
	}
}

// onOff is CLIENT NO-EVICT and NO-TOUCH. Connections are never evicted, and reads
// change nothing, so it is only kept.
func onOff(c *conn, to *bool, text []byte) error {
	switch strings.ToUpper(string(text)) {
	case "ON":
		*to = true
	case "OFF":
		*to = false
	default:
		return errSyntax
	}
	c.answer((*writer).ok)
	return nil
}

func setInfo(c *conn, what, text string) error {
	to := &c.about.library
	switch strings.ToUpper(what) {
	case "LIB-NAME":
	case "LIB-VER":
		to = &c.about.libVersion
	default:
		return fmt.Errorf("ERR Unrecognized option '%.64s'", what)
	}
	if !cleanName(text) {
		return fmt.Errorf("ERR %s cannot contain spaces, newlines or special characters", strings.ToLower(what))
	}
	*to = text
	c.answer((*writer).ok)
	return nil
}

// all returns the connections, oldest first.
func (s *Server) all() []*conn {
	s.mu.Lock()
	list := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		list = append(list, c)
	}
	s.mu.Unlock()
	slices.SortFunc(list, func(a, b *conn) int { return int(a.id - b.id) })
	return list
}

// clientTypes are the types of clients that Redis has; here are normal ones alone.
var clientTypes = []string{"normal", "master", "slave", "replica", "pubsub"}

func clientList(c *conn, args [][]byte) error {
	all := c.server.all()
	switch {
	case len(args) == 0:
	case len(args) == 2 && strings.EqualFold(string(args[0]), "TYPE"):
		kind := strings.ToLower(string(args[1]))
		if !slices.Contains(clientTypes, kind) {
			return fmt.Errorf("ERR Unknown client type '%.64s'", args[1])
		}
		if kind != "normal" {
			all = nil
		}
	case len(args) >= 2 && strings.EqualFold(string(args[0]), "ID"):
		var ids []int64
		for _, a := range args[1:] {
			id, err := strconv.ParseInt(string(a), 10, 64)
			if err != nil {
				return errClientID
			}
			ids = append(ids, id)
		}
		all = slices.DeleteFunc(all, func(c *conn) bool { return !slices.Contains(ids, c.id) })
	default:
		return errSyntax
	}
	var b strings.Builder
	for _, other := range all {
		b.WriteString(other.describe())
	}
	c.answer(func(w *writer) { w.text("txt", b.String()) })
	return nil
}

// describe is the line of CLIENT INFO and CLIENT LIST.
func (c *conn) describe() string {
	resp, queued, last, flags := 2, -1, "NULL", "N"
	if c.v3 {
		resp = 3
	}
	if c.multi != nil {
		queued, flags = len(c.multi.ops), "x"
	}
	if c.about.monitor != nil {
		flags = "O"
	}
	if c.about.last != nil {
		last = strings.ToLower(c.about.last.name)
	}
	fd := -1
	if !c.away() {
		fd = c.g.Fd()
	}
	now, in, out := c.server.now, len(c.in), int(c.unsent())
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=%d name=%s age=%d idle=%d flags=%s db=%d sub=0 psub=0 ssub=0 multi=%d watch=%d "+
		"qbuf=%d qbuf-free=%d obl=%d oll=%d omem=%d tot-mem=%d events=r cmd=%s user=default redir=-1 resp=%d lib-name=%s lib-ver=%s\n",
		c.id, c.remote, c.local, fd, c.about.name, int((now - c.about.opened).Seconds()), int((now - c.about.active).Seconds()), flags,
		c.space, queued, len(c.watch), in, cap(c.in)-in, len(c.out), len(c.queue)-c.first, out, in+out, last, resp, c.about.library,
		c.about.libVersion)
}

// clientKill is CLIENT KILL addr, and CLIENT KILL with filters.
func clientKill(c *conn, args [][]byte) error {
	if len(args) == 1 {
		for _, other := range c.server.all() {
			if other.remote == string(args[0]) {
				other.kill(c)
				c.answer((*writer).ok)
				return nil
			}
		}
		return errors.New("ERR No such client")
	}
	if len(args)%2 != 0 {
		return errSyntax
	}
	list, skipMe := c.server.all(), true
	for i := 0; i < len(args); i += 2 {
		keep, text := (func(*conn) bool)(nil), string(args[i+1])
		switch strings.ToUpper(string(args[i])) {
		case "ID":
			id, err := strconv.ParseInt(text, 10, 64)
			if err != nil || id < 1 {
				return errors.New("ERR client-id should be greater than 0")
			}
			keep = func(c *conn) bool { return c.id == id }
		case "ADDR":
			keep = func(c *conn) bool { return c.remote == text }
		case "LADDR":
			keep = func(c *conn) bool { return c.local == text }
		case "TYPE":
			if !slices.Contains(clientTypes, strings.ToLower(text)) {
				return fmt.Errorf("ERR Unknown client type '%.64s'", text)
			}
			keep = func(*conn) bool { return strings.EqualFold(text, "normal") }
		case "USER":
			if text != "default" {
				return fmt.Errorf("ERR No such user '%.64s'", text)
			}
			continue
		case "MAXAGE":
			age, err := strconv.ParseInt(text, 10, 64)
			if err != nil || age < 1 {
				return errors.New("ERR maxage is not an integer or out of range")
			}
			keep = func(c *conn) bool { return int64((c.server.now - c.about.opened).Seconds()) >= age }
		case "SKIPME":
			if skipMe = strings.EqualFold(text, "yes"); !skipMe && !strings.EqualFold(text, "no") {
				return errSyntax
			}
			continue
		default:
			return errSyntax
		}
		list = slices.DeleteFunc(list, func(c *conn) bool { return !keep(c) })
	}
	if skipMe {
		list = slices.DeleteFunc(list, func(other *conn) bool { return other == c })
	}
	for _, other := range list {
		other.kill(c)
	}
	c.answer(func(w *writer) { w.int(int64(len(list))) })
	return nil
}

// kill closes c for by, which is answered first when it is c itself.
func (c *conn) kill(by *conn) {
	if c == by {
		c.closing = true
		return
	}
	c.killed = true
	c.wake()
}
