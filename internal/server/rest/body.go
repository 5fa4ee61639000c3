package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"kahuna"
	"kahuna/internal/restwire"
)

// bodyStep is how much of a body is read before memory for more is asked for.
const bodyStep = 64 << 10

// body reads the whole body. When it may not, it answers and returns false.
func (c *call) body() ([]byte, bool) {
	limit := c.h.opts.BodyBytes
	if c.r.ContentLength > limit {
		c.tooLarge()
		return nil, false
	}
	control := http.NewResponseController(c.w)
	_ = control.SetReadDeadline(time.Now().Add(c.h.opts.Patience))
	// Later, only the client's going away ends the call.
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	var data []byte
	for {
		if cap(data)-len(data) < bodyStep/2 {
			size := max(bodyStep, 2*cap(data))
			if n := c.r.ContentLength; n >= 0 {
				size = min(size, int(n)+bodyStep/2)
			}
			size = max(size, len(data)+bodyStep/2)
			if !c.hold(int64(size - cap(data))) {
				return nil, false
			}
			data = append(make([]byte, 0, size), data...)
		}
		n, err := c.r.Body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			c.tooLarge()
			return nil, false
		case errors.Is(err, io.EOF):
			return data, true
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.w.Header().Set("Connection", "close")
			c.problem(restwire.NewProblem(string(kahuna.CodeTimeout), fmt.Sprintf("the body did not come within %v", c.h.opts.Patience), ""))
			return nil, false
		case err != nil:
			c.w.Header().Set("Connection", "close")
			c.badRequest("the body cannot be read: "+err.Error(), "")
			return nil, false
		}
	}
}

// hold takes n bytes of memory for the body.
func (c *call) hold(n int64) bool {
	if c.h.bodies.Add(n) > c.h.opts.BodiesBytes {
		c.h.bodies.Add(-n)
		c.w.Header().Set("Connection", "close")
		p := restwire.NewProblem(string(kahuna.CodeAdmission), "too many large requests are under way", "send it again after a pause")
		p.Retry = true
		c.problem(p)
		return false
	}
	c.held += n
	return true
}

func (c *call) tooLarge() {
	c.w.Header().Set("Connection", "close") // the rest of it is not read
	c.problem(restwire.NewProblem(restwire.CodeTooLarge, fmt.Sprintf("the body has more than %d bytes", c.h.opts.BodyBytes), ""))
}
