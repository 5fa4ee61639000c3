package resp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// slowAfter is how long a request may take until SLOWLOG has it, from when it
// was read to its answer: with what it waits for locks and the disk.
const slowAfter = 10 * time.Millisecond

const (
	slowMost     = 128 // requests that SLOWLOG keeps
	noteArgsMost = 16  // arguments of a request that are noted
	noteArgMost  = 128 // bytes of one of them
)

// note is the beginning of a request: each argument behind its length, the
// number of arguments that were left out in front.
type note []byte

// of returns the note of a request, in the memory of n.
func (n note) of(cmd *command, args [][]byte) note {
	if cmd != nil && cmd.secret {
		args = [][]byte{args[0], []byte("(redacted)")}
	}
	shown := args[:min(len(args), noteArgsMost)]
	n = binary.AppendUvarint(n[:0], uint64(len(args)-len(shown)))
	for _, a := range shown {
		part := a[:min(len(a), noteArgMost)]
		n = binary.AppendUvarint(n, uint64(len(a)))
		n = append(n, part...)
	}
	return n
}

// args returns the arguments, with a remark where something was left out.
func (n note) args() (list []string) {
	more, w := binary.Uvarint(n)
	for n = n[w:]; len(n) > 0; {
		size, w := binary.Uvarint(n)
		n = n[w:]
		part := n[:min(size, noteArgMost)]
		n = n[len(part):]
		text := string(part)
		if left := size - uint64(len(part)); left > 0 {
			text += fmt.Sprintf("... (%d more bytes)", left)
		}
		list = append(list, text)
	}
	if more > 0 {
		list = append(list, fmt.Sprintf("... (%d more arguments)", more))
	}
	return list
}

// slowLog keeps the last requests that were slow, in a ring: on a slow disk every
// write is. It belongs to the event loop.
type slowLog struct {
	last int64 // the id of the next one
	kept int   // how many there are
	ring [slowMost]slow
}

type slow struct {
	id   int64
	at   time.Duration // of the server
	took time.Duration
	note note
	addr string
	name string
}

func (l *slowLog) add(c *conn, n note, took time.Duration) {
	s := &l.ring[l.last%slowMost]
	*s = slow{l.last, c.server.now, took, append(s.note[:0], n...), c.remote, c.about.name}
	l.last++
	l.kept = min(l.kept+1, slowMost)
}

// slowlog is SLOWLOG GET, LEN and RESET.
func slowlog(c *conn, args [][]byte) (op, error) {
	l := &c.server.slow
	switch sub := strings.ToUpper(string(args[1])); {
	case sub == "LEN" && len(args) == 2:
		return replying(func(w *writer) { w.int(int64(l.kept)) }), nil
	case sub == "RESET" && len(args) == 2:
		return replying(func(w *writer) {
			l.kept = 0
			w.ok()
		}), nil
	case sub == "GET" && len(args) <= 3:
		count := 10
		if len(args) == 3 {
			n, err := strconv.Atoi(string(args[2]))
			if err != nil || n < -1 {
				return op{}, errors.New("ERR count should be greater than or equal to -1")
			}
			count = n
		}
		return replying(func(w *writer) { l.write(w, count, c.server.started) }), nil
	}
	return op{}, subcommandError("SLOWLOG", args, "GET [count]", "LEN", "RESET")
}

// write writes the newest count requests; -1 are all.
func (l *slowLog) write(w *writer, count int, started time.Time) {
	n := l.kept
	if count >= 0 {
		n = min(n, count)
	}
	w.array(n)
	for i := range n {
		s := &l.ring[(l.last-1-int64(i))%slowMost]
		w.array(6)
		w.int(s.id)
		w.int(started.Add(s.at).Unix())
		w.int(s.took.Microseconds())
		args := s.note.args()
		w.array(len(args))
		for _, a := range args {
			w.bulk(a)
		}
		w.bulk(s.addr)
		w.bulk(s.name)
	}
}
