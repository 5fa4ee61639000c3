package script

import (
	"regexp"

	"kahuna/script/check"
)

// callEnv is what a built-in function sees of the run that calls it.
type callEnv struct {
	meter *meter
	// tx gives the time. Pure functions never touch it, for them it may be
	// nil.
	tx Tx
	// matcher is the regular expression that was used last, and states how
	// many it has.
	matcher *regexp.Regexp
	states  int
}

// builtin is the implementation of a function. The caller has checked the
// number of arguments; it reuses args, so the function must not keep the
// slice. The error has no position.
type builtin func(e *callEnv, args []Value) (Value, *Error)

// builtins holds the implementation of every function of the language.
var builtins = [check.NumFunctions]builtin{
	check.FuncIsNull:       isKind(KindNull),
	check.FuncIsBool:       isKind(KindBool),
	check.FuncIsInt:        isKind(KindInt),
	check.FuncIsFloat:      isKind(KindFloat),
	check.FuncIsStr:        isKind(KindString),
	check.FuncIsArray:      isKind(KindArray),
	check.FuncIsMap:        isKind(KindMap),
	check.FuncTypeOf:       callTypeOf,
	check.FuncCoalesce:     callCoalesce,
	check.FuncToInt:        callToInt,
	check.FuncToFloat:      callToFloat,
	check.FuncToBool:       callToBool,
	check.FuncToStr:        callToStr,
	check.FuncAbs:          callAbs,
	check.FuncFloor:        callFloor,
	check.FuncCeil:         callCeil,
	check.FuncRound:        callRound,
	check.FuncMin:          callMin,
	check.FuncMax:          callMax,
	check.FuncPow:          callPow,
	check.FuncMod:          callMod,
	check.FuncNearlyEquals: callNearlyEquals,
	check.FuncLen:          callLen,
	check.FuncUpper:        callUpper,
	check.FuncLower:        callLower,
	check.FuncConcat:       callConcat,
	check.FuncToJSON:       callToJSON,
	check.FuncTrim:         callTrim,
	check.FuncSubstring:    callSubstring,
	check.FuncIndexOf:      callIndexOf,
	check.FuncStartsWith:   callStartsWith,
	check.FuncEndsWith:     callEndsWith,
	check.FuncContains:     callContains,
	check.FuncReplace:      callReplace,
	check.FuncRepeat:       callRepeat,
	check.FuncSplit:        callSplit,
	check.FuncJoin:         callJoin,
	check.FuncCount:        callCount,
	check.FuncKeys:         callKeys,
	check.FuncValues:       callValues,
	check.FuncHas:          callHas,
	check.FuncPut:          callPut,
	check.FuncRemove:       callRemove,
	check.FuncMerge:        callMerge,
	check.FuncAppend:       callAppend,
	check.FuncInsert:       callInsert,
	check.FuncSlice:        callSlice,
	check.FuncFirst:        callFirst,
	check.FuncLast:         callLast,
	check.FuncReverse:      callReverse,
	check.FuncSort:         callSort,
	check.FuncSortText:     callSortText,
	check.FuncUnique:       callUnique,
	check.FuncSum:          callSum,
	check.FuncConcatArrays: callConcatArrays,
	check.FuncFromJSON:     callFromJSON,
	check.FuncCompare:      callCompare,
	check.FuncPadLeft:      callPadLeft,
	check.FuncPadRight:     callPadRight,
	check.FuncMatches:      callMatches,
	check.FuncCRC32:        callCRC32,
	check.FuncSHA256:       callSHA256,
	check.FuncHMACSHA256:   callHMACSHA256,
	check.FuncBase64Encode: callBase64Encode,
	check.FuncBase64Decode: callBase64Decode,
	check.FuncHexEncode:    callHexEncode,
	check.FuncHexDecode:    callHexDecode,
	check.FuncFormatTime:   callFormatTime,
	check.FuncKey:          callKey,
	check.FuncRev:          callRev,
	check.FuncExpires:      callExpires,
	check.FuncCurrentTime:  callCurrentTime,
	check.FuncHLC:          callHLC,
	check.FuncHLCCounter:   callHLCCounter,
	check.FuncTTL:          callTTL,
	check.FuncRandom:       callRandom,
	check.FuncUUID:         callUUID,
}

// needs is the error of an argument of a wrong type: "floor() needs a number,
// got array".
func needs(name, want string, got Value) *Error {
	return errf(CodeType, "%s() needs %s, got %s", name, want, describe(got))
}

func isKind(k Kind) builtin {
	return func(_ *callEnv, args []Value) (Value, *Error) { return Bool(args[0].kind == k), nil }
}

func callTypeOf(_ *callEnv, args []Value) (Value, *Error) {
	return String(args[0].kind.String()), nil
}

// callCoalesce keeps the metadata of what it chooses.
func callCoalesce(_ *callEnv, args []Value) (Value, *Error) {
	for _, v := range args {
		if !v.IsNull() {
			return v, nil
		}
	}
	return Null, nil
}

func callToInt(_ *callEnv, args []Value) (Value, *Error) {
	v := args[0]
	switch v.kind {
	case KindNull:
		return Int(0), nil
	case KindBool:
		return Int(int64(v.num)), nil
	case KindArray, KindMap:
		return Null, cannotConvert(v, KindInt)
	}
	n, ok, err := number(&v)
	switch {
	case !ok && trimASCII(v.str) == "":
		return Int(0), nil
	case !ok:
		return Null, cannotConvert(v, KindInt)
	case err != nil:
		return Null, err
	case !n.float:
		return Int(n.i), nil
	case !fitsInt(n.f):
		return Null, errf(CodeRange, "integer out of range")
	}
	return Int(int64(n.f)), nil
}

func callToFloat(_ *callEnv, args []Value) (Value, *Error) {
	v := args[0]
	switch v.kind {
	case KindNull:
		return Float(0), nil
	case KindBool:
		return Float(float64(v.num)), nil
	case KindArray, KindMap:
		return Null, cannotConvert(v, KindFloat)
	}
	n, ok, err := number(&v)
	switch {
	case !ok && trimASCII(v.str) == "":
		return Float(0), nil
	case !ok:
		return Null, cannotConvert(v, KindFloat)
	case err != nil:
		f, err := longFloatOf(v.str)
		return Float(f), err
	}
	return Float(n.asFloat()), nil
}

func callToBool(_ *callEnv, args []Value) (Value, *Error) {
	v := args[0]
	switch v.kind {
	case KindNull:
		return Bool(false), nil
	case KindBool:
		return v.plain(), nil
	case KindArray, KindMap:
		return Null, cannotConvert(v, KindBool)
	}
	n, ok, err := number(&v)
	switch {
	case !ok:
		return Bool(spells(v.str, "true")), nil
	case err != nil:
		if isIntegerText(v.str) {
			return Bool(true), nil // too large to be zero
		}
		return Null, err
	}
	return Bool(n.asFloat() != 0), nil
}

func callToStr(e *callEnv, args []Value) (Value, *Error) {
	if args[0].kind == KindString {
		return args[0].plain(), nil
	}
	s, err := toStr(args[0])
	if err != nil {
		return Null, err
	}
	return String(s), e.meter.makeString(int64(len(s)))
}

func callCount(_ *callEnv, args []Value) (Value, *Error) {
	c := args[0].compound()
	if c == nil {
		return Null, needs("count", "an array or a map", args[0])
	}
	return Int(int64(c.n)), nil
}

// callRev is the one function whose result keeps the metadata of its
// argument.
func callRev(_ *callEnv, args []Value) (Value, *Error) {
	v := args[0]
	r := Int(v.rev).WithMeta(v.rev, v.exp)
	if !v.nested() {
		r.ref = v.ref
	}
	return r, nil
}

// callKey returns the key a value comes from.
func callKey(e *callEnv, args []Value) (Value, *Error) {
	if args[0].Key() == "" {
		return Null, nil
	}
	return String(args[0].Key()), nil
}

// callTTL returns how long a value is still to live.
func callTTL(e *callEnv, args []Value) (Value, *Error) {
	if args[0].exp == 0 {
		return Null, nil
	}
	return Int(args[0].exp - e.tx.Now()), nil
}

func callExpires(_ *callEnv, args []Value) (Value, *Error) { return Int(args[0].exp), nil }

func callCurrentTime(e *callEnv, _ []Value) (Value, *Error) { return Int(e.tx.Now()), nil }

func callHLC(e *callEnv, _ []Value) (Value, *Error) { return Int(e.tx.Time().Millis()), nil }

func callHLCCounter(e *callEnv, _ []Value) (Value, *Error) {
	return Int(e.tx.Time().Counter()), nil
}
