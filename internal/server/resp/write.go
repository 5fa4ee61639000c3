package resp

import (
	"errors"
	"strconv"
	"strings"

	"kahuna"
)

// writer encodes answers behind each other.
type writer struct {
	b  []byte
	v3 bool // RESP3
	// code is that of the last error that was written.
	code string
	// stopped, when not nil, is Server.cause.
	stopped func(error) error
}

func (w *writer) line(kind byte, text string) {
	w.b = append(w.b, kind)
	w.b = append(w.b, text...)
	w.b = append(w.b, '\r', '\n')
}

func (w *writer) count(kind byte, n int64) {
	w.b = append(w.b, kind)
	w.b = strconv.AppendInt(w.b, n, 10)
	w.b = append(w.b, '\r', '\n')
}

func (w *writer) simple(text string) { w.line('+', text) }

func (w *writer) ok() { w.b = append(w.b, "+OK\r\n"...) }

func (w *writer) int(n int64) { w.count(':', n) }

func (w *writer) bulk(text string) {
	w.count('$', int64(len(text)))
	w.b = append(w.b, text...)
	w.b = append(w.b, '\r', '\n')
}

func (w *writer) null() {
	if w.v3 {
		w.b = append(w.b, "_\r\n"...)
	} else {
		w.b = append(w.b, "$-1\r\n"...)
	}
}

// nullArray is the null of what would be an array.
func (w *writer) nullArray() {
	if w.v3 {
		w.null()
	} else {
		w.b = append(w.b, "*-1\r\n"...)
	}
}

func (w *writer) array(n int) { w.count('*', int64(n)) }

// pairs begins a map of n members; RESP2 has an array of twice as many.
func (w *writer) pairs(n int) {
	if w.v3 {
		w.count('%', int64(n))
	} else {
		w.array(2 * n)
	}
}

func (w *writer) bool(b bool) {
	switch {
	case !w.v3:
		w.bulk(strconv.FormatBool(b))
	case b:
		w.b = append(w.b, "#t\r\n"...)
	default:
		w.b = append(w.b, "#f\r\n"...)
	}
}

// float writes the text of a float.
func (w *writer) float(text string) {
	if w.v3 {
		w.line(',', text)
	} else {
		w.bulk(text)
	}
}

// text writes a text that RESP3 marks with its format: txt.
func (w *writer) text(format, text string) {
	if !w.v3 {
		w.bulk(text)
		return
	}
	w.count('=', int64(len(format)+1+len(text)))
	w.b = append(w.b, format...)
	w.b = append(w.b, ':')
	w.b = append(w.b, text...)
	w.b = append(w.b, '\r', '\n')
}

// fail writes an error of the protocol, whose first word is its code.
func (w *writer) fail(text string) {
	w.code, _, _ = strings.Cut(text, " ")
	w.line('-', oneLine.Replace(text))
}

// failed writes err.
func (w *writer) failed(err error) {
	if w.stopped != nil {
		err = w.stopped(err)
	}
	w.fail(errorText(err))
	var e *kahuna.Error
	if errors.As(err, &e) {
		w.code = string(e.Code) // the first word may be the script's own
	}
}

var oneLine = strings.NewReplacer("\r", " ", "\n", " ")
