package script

import (
	"errors"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// callFromJSON reads a JSON text. The decoder is strict: no byte that is not
// UTF-8, and no half of a surrogate pair, becomes something else.
func callFromJSON(e *callEnv, args []Value) (Value, *Error) {
	switch args[0].kind {
	case KindNull:
		return Null, nil
	case KindString:
	default:
		return Null, needs("from_json", "a text", args[0])
	}
	return readJSON(args[0].str, e.meter)
}

// ParseJSON returns the value of a JSON text, as from_json reads it, for a
// parameter: objects become maps, whole numbers int64. The error is an *Error
// with code "range", or "limit" for what exceeds DefaultLimits.
func ParseJSON(text string) (Value, error) {
	limits := DefaultLimits()
	v, err := readJSON(text, newMeter(&limits))
	if err != nil {
		if err.Code == CodeRange {
			err.Message = strings.TrimPrefix(err.Message, "from_json() needs JSON: ")
		}
		return Null, err
	}
	return v, nil
}

func readJSON(text string, m *meter) (Value, *Error) {
	r := jsonReader{m: m}
	r.d = jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true))
	v, err := r.value(0)
	if err != nil {
		return Null, err
	}
	if t, bad := r.d.ReadToken(); bad == nil {
		return Null, r.wrong("expected the end of the text, got " + quote(t.String()))
	} else if !errors.Is(bad, io.EOF) {
		return Null, r.fault(bad)
	}
	return v, nil
}

// jsonReader makes the values of one JSON text.
type jsonReader struct {
	d *jsontext.Decoder
	m *meter
}

// value reads the next value, which stands in depth arrays and objects.
func (r *jsonReader) value(depth int) (Value, *Error) {
	t, bad := r.d.ReadToken()
	if bad != nil {
		return Null, r.fault(bad)
	}
	if err := r.m.examine(valueBytes); err != nil {
		return Null, err
	}
	switch t.Kind() {
	case 'n':
		return Null, nil
	case 't', 'f':
		return Bool(t.Bool()), nil
	case '"':
		s, err := r.text(t)
		return String(s), err
	case '0':
		return r.number(t.String())
	}
	if depth >= r.m.limits.Nesting {
		return Null, r.m.nestingLimit()
	}
	if t.Kind() == '[' {
		return r.array(depth + 1)
	}
	return r.object(depth + 1)
}

// text admits a string.
func (r *jsonReader) text(t jsontext.Token) (string, *Error) {
	s := t.String()
	r.m.read(len(s))
	return s, r.m.makeString(int64(len(s)))
}

func (r *jsonReader) array(depth int) (Value, *Error) {
	var elems []Value
	for r.d.PeekKind() != ']' {
		v, err := r.value(depth)
		if err != nil {
			return Null, err
		}
		if len(elems) == r.m.limits.Elements {
			return Null, r.m.elementsLimit()
		}
		if err := r.m.build(2 * valueBytes); err != nil {
			return Null, err
		}
		elems = append(elems, v)
	}
	if _, bad := r.d.ReadToken(); bad != nil {
		return Null, r.fault(bad)
	}
	return r.m.seal(slices.Clip(elems))
}

func (r *jsonReader) object(depth int) (Value, *Error) {
	var names []string
	var elems []Value
	for r.d.PeekKind() != '}' {
		t, bad := r.d.ReadToken()
		if bad != nil {
			return Null, r.fault(bad)
		}
		name, err := r.text(t)
		if err != nil {
			return Null, err
		}
		v, err := r.value(depth)
		if err != nil {
			return Null, err
		}
		if len(elems) == r.m.limits.Elements {
			return Null, r.m.elementsLimit()
		}
		if err := r.m.build(2 * (nameBytes + valueBytes)); err != nil {
			return Null, err
		}
		names, elems = append(names, name), append(elems, v)
	}
	if _, bad := r.d.ReadToken(); bad != nil {
		return Null, r.fault(bad)
	}
	return r.m.sealMap(slices.Clip(names), slices.Clip(elems))
}

// number reads a number as a literal of the language would be: without point
// and exponent it is an int64. No digit is lost.
func (r *jsonReader) number(s string) (Value, *Error) {
	n, _, err := numericText(s)
	switch {
	case err == nil:
		return n.value(), nil
	case isIntegerText(s):
		short, cut := shorten(s)
		if cut {
			short += "..."
		}
		return Null, r.wrong("the integer " + short + " is out of range")
	}
	return Null, r.wrong("the number " + s[:min(len(s), quotedChars)] + " is out of range")
}

// fault says what is wrong with the text.
func (r *jsonReader) fault(bad error) *Error {
	var e *jsontext.SyntacticError
	if errors.As(bad, &e) {
		what := e.Err.Error()
		if errors.Is(e.Err, io.ErrUnexpectedEOF) {
			what = "the text ends too early"
		}
		return errf(CodeRange, "from_json() needs JSON: %s at byte %d", what, e.ByteOffset)
	}
	return r.wrong("the text ends too early")
}

// wrong is the error of what was read last.
func (r *jsonReader) wrong(what string) *Error {
	return errf(CodeRange, "from_json() needs JSON: %s before byte %d", what, min(r.d.InputOffset(), math.MaxInt32))
}
