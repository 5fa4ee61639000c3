package script

import (
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
		return Int(int64(utf8.RuneCountInString(v.str))), nil
	case KindArray:
		return Int(int64(len(v.Elems()))), nil
	}
	return Null, needs("len", "a string or an array", args[0])
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
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if m := mapping(r); m != r {
			changed = true
			n = utf8.RuneLen(m)
		}
		size += int64(n)
	}
	if !changed {
		return String(s), nil
	}
	if err := e.meter.makeString(size); err != nil {
		return Null, err
	}
	var b strings.Builder
	b.Grow(int(size))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if m := mapping(r); m != r {
			b.WriteRune(m)
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return String(b.String()), nil
}

func callConcat(e *callEnv, args []Value) (Value, *Error) {
	var size int64
	for _, v := range args {
		if v.kind == KindArray {
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
		writeScalar(&b, v)
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
	trimmed := strings.TrimSpace(s)
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
	from, ok := charOffset(s, start)
	if !ok {
		return Null, errf(CodeRange, "substring() start must be 0 to %d, got %d", utf8.RuneCountInString(s), start)
	}
	s = s[from:]
	if len(args) == 2 {
		return String(s), nil
	}
	n, err := whole(args[2], "substring() length")
	if err != nil {
		return Null, err
	}
	to, ok := charOffset(s, n)
	if !ok {
		return Null, errf(CodeRange, "substring() length must be 0 to %d, got %d", utf8.RuneCountInString(s), n)
	}
	return String(s[:to]), nil
}

func callIndexOf(e *callEnv, args []Value) (Value, *Error) {
	s, t, err := twoStrings(e, "index_of", args)
	if err != nil {
		return Null, err
	}
	i := strings.Index(s, t)
	if i > 0 {
		i = utf8.RuneCountInString(s[:i])
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
		return Bool(strings.Contains(s, t)), nil
	case KindArray:
		elems := x.Elems()
		e.meter.read(len(elems) * valueBytes)
		for i := range elems {
			if equal(elems[i], args[1]) {
				return Bool(true), nil
			}
			e.meter.work += pairWork(elems[i], args[1]) * bytesPerStep
		}
		return Bool(false), nil
	}
	return Null, needs("contains", "a string or an array", args[0])
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
	n := strings.Count(s, t)
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
	return String(strings.ReplaceAll(s, t, u)), nil
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
	return String(strings.Repeat(s, int(n))), nil
}

func callSplit(e *callEnv, args []Value) (Value, *Error) {
	s, sep, err := twoStrings(e, "split", args)
	if err != nil {
		return Null, err
	}
	if sep == "" {
		return Null, errf(CodeRange, "split() needs a separator, got an empty one")
	}
	n := strings.Count(s, sep) + 1
	if err := e.meter.makeArray(int64(n)); err != nil {
		return Null, err
	}
	parts := make([]Value, 0, n)
	for part := range strings.SplitSeq(s, sep) {
		parts = append(parts, String(part))
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
	elems := args[0].Elems()
	e.meter.read(len(elems) * valueBytes)
	size := int64(max(len(elems)-1, 0)) * int64(len(sep))
	for _, v := range elems {
		if v.kind == KindArray {
			return Null, errf(CodeType, "join() cannot join an array within the array").hinted("use to_json()")
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
			b.WriteString(sep)
		}
		writeScalar(&b, v)
	}
	return String(b.String()), nil
}
