package script

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The text functions. What makes a new string first computes its size and
// asks the meter; what returns a part of its argument shares its bytes.

// stringArg returns an argument that must be a string.
func stringArg(name string, v Value) (string, *Error) {
	if v.kind != KindString {
		return "", needs(name, "a string", v)
	}
	return v.str, nil
}

// twoStrings returns two arguments that must be strings, and counts them as
// read.
func twoStrings(e *callEnv, name string, args []Value) (string, string, *Error) {
	s, err := stringArg(name, args[0])
	if err != nil {
		return "", "", err
	}
	t, err := stringArg(name, args[1])
	if err != nil {
		return "", "", err
	}
	e.meter.read(len(s))
	return s, t, nil
}

func callLen(e *callEnv, args []Value) (Value, *Error) {
	switch v := args[0]; v.kind {
	case KindString:
		e.meter.read(len(v.str))
		n, err := e.meter.chars(v.str)
		if err != nil {
			return Null, err
		}
		return Int(int64(n)), nil
	case KindArray, KindMap:
		return Int(int64(v.compound().n)), nil
	}
	return Null, needs("len", "a string, an array or a map", args[0])
}

func callUpper(e *callEnv, args []Value) (Value, *Error) {
	return mapCase(e, "upper", args[0], unicode.ToUpper)
}

func callLower(e *callEnv, args []Value) (Value, *Error) {
	return mapCase(e, "lower", args[0], unicode.ToLower)
}

// mapCase maps every character of v. Unlike strings.Map it keeps invalid
// bytes as they are.
func mapCase(e *callEnv, name string, v Value, mapping func(rune) rune) (Value, *Error) {
	s, err := stringArg(name, v)
	if err != nil {
		return Null, err
	}
	e.meter.read(len(s))
	var size int64
	changed := false
	err = e.meter.pieces(s, func(s string) {
		for i := 0; i < len(s); {
			r, n := utf8.DecodeRuneInString(s[i:])
			i += n
			if m := mapping(r); m != r {
				changed = true
				n = utf8.RuneLen(m)
			}
			size += int64(n)
		}
	})
	if err != nil {
		return Null, err
	}
	if !changed {
		return String(s), nil
	}
	if err := e.meter.makeString(size); err != nil {
		return Null, err
	}
	var b strings.Builder
	b.Grow(int(size))
	err = e.meter.pieces(s, func(s string) {
		for i := 0; i < len(s); {
			r, n := utf8.DecodeRuneInString(s[i:])
			if m := mapping(r); m != r {
				b.WriteRune(m)
			} else {
				b.WriteString(s[i : i+n])
			}
			i += n
		}
	})
	if err != nil {
		return Null, err
	}
	return String(b.String()), nil
}

func callConcat(e *callEnv, args []Value) (Value, *Error) {
	var size int64
	for _, v := range args {
		if v.nested() {
			return Null, needs("concat", "text, numbers, bools or null", v).hinted("use join() or to_json()")
		}
		size += int64(scalarSize(v))
	}
	if err := e.meter.makeString(size); err != nil {
		return Null, err
	}
	var b strings.Builder
	b.Grow(int(size))
	for _, v := range args {
		if v.kind != KindString {
			writeScalar(&b, v)
		} else if err := e.meter.write(&b, v.str); err != nil {
			return Null, err
		}
	}
	return String(b.String()), nil
}

func callToJSON(e *callEnv, args []Value) (Value, *Error) {
	s, err := jsonText(args[0], e.meter)
	if err != nil {
		return Null, err
	}
	return String(s), nil
}

func callTrim(e *callEnv, args []Value) (Value, *Error) {
	s, err := stringArg("trim", args[0])
	if err != nil {
		return Null, err
	}
	trimmed, err := trim(e.meter, s)
	if err != nil {
		return Null, err
	}
	e.meter.read(len(s) - len(trimmed))
	return String(trimmed), nil
}

func callSubstring(e *callEnv, args []Value) (Value, *Error) {
	s, err := stringArg("substring", args[0])
	if err != nil {
		return Null, err
	}
	start, err := whole(args[1], "substring() start")
	if err != nil {
		return Null, err
	}
	e.meter.read(len(s))
	from, err := subOffset(e.meter, "start", s, start)
	if err != nil {
		return Null, err
	}
	s = s[from:]
	if len(args) == 2 {
		return String(s), nil
	}
	n, err := whole(args[2], "substring() length")
	if err != nil {
		return Null, err
	}
	to, err := subOffset(e.meter, "length", s, n)
	if err != nil {
		return Null, err
	}
	return String(s[:to]), nil
}

// subOffset returns the offset of character n of s, the operand of substring
// that is called name.
func subOffset(m *meter, name, s string, n int64) (int, *Error) {
	offset, ok, err := m.offset(s, n)
	if ok || err != nil {
		return offset, err
	}
	chars, err := m.chars(s)
	if err != nil {
		return 0, err
	}
	return 0, errf(CodeRange, "substring() %s must be 0 to %d, got %d", name, chars, n)
}

// trim is strings.TrimSpace.
func trim(m *meter, s string) (string, *Error) {
	for {
		head, tail := piece(s)
		if head = strings.TrimLeftFunc(head, unicode.IsSpace); head != "" || tail == "" {
			s = s[len(s)-len(tail)-len(head):]
			break
		}
		s = tail
		if err := m.poll(); err != nil {
			return "", err
		}
	}
	for {
		n := max(len(s)-pollBytes, 0)
		for k := 0; n > 0 && k < utf8.UTFMax && !utf8.RuneStart(s[n]); k++ {
			n-- // a character of white space is whole
		}
		tail := strings.TrimRightFunc(s[n:], unicode.IsSpace)
		if tail != "" || n == 0 {
			return s[:n+len(tail)], nil
		}
		s = s[:n]
		if err := m.poll(); err != nil {
			return "", err
		}
	}
}

func callIndexOf(e *callEnv, args []Value) (Value, *Error) {
	switch args[0].kind {
	case KindArray:
		i, err := e.meter.position(&args[0], &args[1])
		return Int(int64(i)), err
	case KindString:
	default:
		return Null, needs("index_of", "a string or an array", args[0])
	}
	s, t, err := twoStrings(e, "index_of", args)
	if err != nil {
		return Null, err
	}
	i, err := e.meter.index(s, t)
	if err != nil {
		return Null, err
	}
	if i > 0 {
		if i, err = e.meter.chars(s[:i]); err != nil {
			return Null, err
		}
	}
	return Int(int64(i)), nil
}

func callStartsWith(e *callEnv, args []Value) (Value, *Error) {
	s, t, err := twoStrings(e, "starts_with", args)
	if err != nil {
		return Null, err
	}
	return Bool(strings.HasPrefix(s, t)), nil
}

func callEndsWith(e *callEnv, args []Value) (Value, *Error) {
	s, t, err := twoStrings(e, "ends_with", args)
	if err != nil {
		return Null, err
	}
	return Bool(strings.HasSuffix(s, t)), nil
}

func callContains(e *callEnv, args []Value) (Value, *Error) {
	switch x := args[0]; x.kind {
	case KindString:
		s, t, err := twoStrings(e, "contains", args)
		if err != nil {
			return Null, err
		}
		i, err := e.meter.index(s, t)
		if err != nil {
			return Null, err
		}
		return Bool(i >= 0), nil
	case KindArray:
		i, err := e.meter.position(&args[0], &args[1])
		return Bool(i >= 0), err
	}
	return Null, needs("contains", "a string or an array", args[0])
}

// position returns the place of the first element of the array v that is equal
// to x, or -1.
func (m *meter) position(v, x *Value) (int, *Error) {
	elems, err := m.elems(v)
	if err != nil {
		return 0, err
	}
	for i := range elems {
		if err := m.examine(compareBytes(&elems[i], x)); err != nil {
			return 0, err
		}
		if same, err := m.equal(&elems[i], x); err != nil || same {
			return i, err
		}
	}
	return -1, nil
}

func callReplace(e *callEnv, args []Value) (Value, *Error) {
	s, t, err := twoStrings(e, "replace", args)
	if err != nil {
		return Null, err
	}
	u, err := stringArg("replace", args[2])
	if err != nil {
		return Null, err
	}
	if t == "" {
		return Null, errf(CodeRange, "replace() needs a text to look for, got an empty one")
	}
	n, err := e.meter.count(s, t)
	if err != nil {
		return Null, err
	}
	if n == 0 {
		return String(s), nil
	}
	growth, ok := multiply(int64(n), int64(len(u))-int64(len(t)))
	if !ok {
		return Null, e.meter.valueLimit()
	}
	if err := e.meter.makeString(int64(len(s)) + growth); err != nil {
		return Null, err
	}
	var b strings.Builder
	b.Grow(len(s) + int(growth))
	first := true
	err = e.meter.cut(s, t, func(part string) {
		if !first {
			b.WriteString(u)
		}
		first = false
		b.WriteString(part)
	})
	if err != nil {
		return Null, err
	}
	return String(b.String()), nil
}

func callRepeat(e *callEnv, args []Value) (Value, *Error) {
	s, err := stringArg("repeat", args[0])
	if err != nil {
		return Null, err
	}
	n, err := whole(args[1], "repeat() count")
	if err != nil {
		return Null, err
	}
	if n < 0 {
		return Null, errf(CodeRange, "repeat() count must not be negative, got %d", n)
	}
	size, ok := multiply(int64(len(s)), n)
	if !ok {
		return Null, e.meter.valueLimit()
	}
	if err := e.meter.makeString(size); err != nil {
		return Null, err
	}
	if size == 0 {
		return String(""), nil // n may be larger than Repeat takes
	}
	// The largest power of two of copies that is still a piece, over and over.
	unit, copies := s, int64(1)
	for len(unit)*2 <= pollBytes && copies*2 <= n {
		unit, copies = unit+unit, copies*2
	}
	var b strings.Builder
	b.Grow(int(size))
	for ; n >= copies; n -= copies {
		if err := e.meter.write(&b, unit); err != nil {
			return Null, err
		}
		if err := e.meter.poll(); err != nil {
			return Null, err
		}
	}
	b.WriteString(unit[:len(s)*int(n)])
	return String(b.String()), nil
}

func callSplit(e *callEnv, args []Value) (Value, *Error) {
	s, sep, err := twoStrings(e, "split", args)
	if err != nil {
		return Null, err
	}
	if sep == "" {
		return Null, errf(CodeRange, "split() needs a separator, got an empty one")
	}
	n, err := e.meter.count(s, sep)
	if err != nil {
		return Null, err
	}
	most := int64(math.MaxInt64)
	if len(args) == 3 {
		if most, err = whole(args[2], "split() count"); err != nil {
			return Null, err
		}
		if most < 1 {
			return Null, errf(CodeRange, "split() count must be at least 1, got %d", most)
		}
	}
	n = int(min(int64(n), most-1))
	if err := e.meter.makeArray(int64(n) + 1); err != nil {
		return Null, err
	}
	parts := make([]Value, 0, n+1)
	err = e.meter.cut(s, sep, func(part string) {
		if len(parts) < n {
			parts = append(parts, String(part))
			s = s[len(part)+len(sep):]
		}
	})
	parts = append(parts, String(s))
	if err != nil {
		return Null, err
	}
	return flatArray(parts), nil
}

func callJoin(e *callEnv, args []Value) (Value, *Error) {
	if args[0].kind != KindArray {
		return Null, needs("join", "an array", args[0])
	}
	sep, err := stringArg("join", args[1])
	if err != nil {
		return Null, err
	}
	elems, err := e.meter.elems(&args[0])
	if err != nil {
		return Null, err
	}
	e.meter.read(len(elems) * valueBytes)
	size := int64(max(len(elems)-1, 0)) * int64(len(sep))
	for _, v := range elems {
		if v.nested() {
			return Null, errf(CodeType, "join() cannot join %s within the array", article(v.kind)).hinted("use to_json()")
		}
		size += int64(scalarSize(v))
	}
	if err := e.meter.makeString(size); err != nil {
		return Null, err
	}
	var b strings.Builder
	b.Grow(int(size))
	for i, v := range elems {
		if i > 0 {
			if err := e.meter.write(&b, sep); err != nil {
				return Null, err
			}
		}
		if v.kind == KindString {
			if err := e.meter.write(&b, v.str); err != nil {
				return Null, err
			}
		} else {
			writeScalar(&b, v)
		}
		if i%pollParts == 0 {
			if err := e.meter.poll(); err != nil {
				return Null, err
			}
		}
	}
	return String(b.String()), nil
}

// callCompare orders two texts by their bytes.
func callCompare(e *callEnv, args []Value) (Value, *Error) {
	s, t, err := twoStrings(e, "compare", args)
	if err != nil {
		return Null, err
	}
	return Int(int64(strings.Compare(s, t))), nil
}

func callPadLeft(e *callEnv, args []Value) (Value, *Error)  { return pad(e, "pad_left", args, true) }
func callPadRight(e *callEnv, args []Value) (Value, *Error) { return pad(e, "pad_right", args, false) }

// padMax is how many characters a padded text may be asked to have.
const padMax = 10_000

func pad(e *callEnv, name string, args []Value, left bool) (Value, *Error) {
	s, err := stringArg(name, args[0])
	if err != nil {
		return Null, err
	}
	n, err := whole(args[1], name+"() length")
	if err != nil {
		return Null, err
	}
	if n < 0 || n > padMax {
		return Null, errf(CodeRange, "%s() length must be 0 to %d, got %d", name, padMax, n)
	}
	c, err := stringArg(name, args[2])
	if err != nil {
		return Null, err
	}
	if utf8.RuneCountInString(firstBytes(c)) != 1 || len(c) > utf8.UTFMax {
		return Null, errf(CodeRange, "%s() needs one character to fill with, got %s", name, quote(c))
	}
	e.meter.read(len(s))
	has, err := e.meter.chars(s)
	if err != nil {
		return Null, err
	}
	missing := int(n) - has
	if missing <= 0 {
		return String(s), nil
	}
	if err := e.meter.makeString(int64(len(s) + missing*len(c))); err != nil {
		return Null, err
	}
	fill := strings.Repeat(c, missing)
	if left {
		return String(fill + s), nil
	}
	return String(s + fill), nil
}

// firstBytes returns as much of s as tells whether it is one character.
func firstBytes(s string) string { return s[:min(len(s), 2*utf8.UTFMax)] }
