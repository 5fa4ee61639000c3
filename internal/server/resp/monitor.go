package resp

import (
	"fmt"
	"strconv"
	"time"
)

// Bounds of MONITOR: what is shown of a request, and what a monitor that does
// not read may have waiting before lines are left out.
const (
	monitorArgsMost = 64
	monitorArgMost  = 256
	monitorWaiting  = 1 << 20
)

// monitor makes c a monitor, which is shown every request from now on.
func monitor(c *conn, _ [][]byte) {
	c.answer((*writer).ok)
	if c.about.monitor == nil {
		c.about.monitor = new(monitored)
		c.server.monitors = append(c.server.monitors, c)
	}
}

// monitored is what a monitor has of its own.
type monitored struct {
	missed int // lines left out since the last
}

// unmonitor ends c as a monitor.
func (s *Server) unmonitor(c *conn) {
	if c.about.monitor == nil {
		return
	}
	c.about.monitor = nil
	for i, m := range s.monitors {
		if m == c {
			s.monitors = append(s.monitors[:i:i], s.monitors[i+1:]...)
			return
		}
	}
}

// show shows a request of c to the monitors.
func (s *Server) show(c *conn, cmd *command, args [][]byte) {
	now := time.Now()
	line := fmt.Appendf(nil, "+%d.%06d [%d %s]", now.Unix(), now.Nanosecond()/1000, c.space, c.remote)
	if cmd.secret {
		args = [][]byte{args[0], []byte("(redacted)")}
	}
	for i, a := range args {
		if i == monitorArgsMost {
			line = fmt.Appendf(line, " ... (%d more arguments)", len(args)-i)
			break
		}
		line = append(line, ' ')
		line = strconv.AppendQuote(line, string(a[:min(len(a), monitorArgMost)]))
		if more := len(a) - monitorArgMost; more > 0 {
			line = fmt.Appendf(line, "... (%d more bytes)", more)
		}
	}
	line = append(line, '\r', '\n')
	for _, m := range s.monitors {
		state := m.about.monitor
		if m.first != len(m.queue) || m.unsent() > monitorWaiting {
			state.missed++
			continue
		}
		if state.missed > 0 {
			m.out = fmt.Appendf(m.out, "+%d.%06d ... (%d requests left out: the monitor was too slow)\r\n", now.Unix(), now.Nanosecond()/1000, state.missed)
			state.missed = 0
		}
		m.out = append(m.out, line...)
		m.wake()
	}
}
