package resp

import (
	"errors"
	"fmt"
	"regexp"

	"kahuna"
)

// luaSigns are what a script in Lua has and one of ours has not, each with what
// to write instead.
var luaSigns = []struct {
	re      *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`\bredis\s*\.\s*p?call\b`), "commands stand in the script itself: get @key1, set @key1 @arg1"},
	{regexp.MustCompile(`\bredis\s*\.\s*\w+`), "return a value, or throw an error"},
	{regexp.MustCompile(`\bKEYS\s*\[`), "KEYS[1] is @key1"},
	{regexp.MustCompile(`\bARGV\s*\[`), "ARGV[1] is @arg1"},
	{regexp.MustCompile(`#\s*(KEYS|ARGV)\b`), "a script names its parameters: @key1, @arg1"},
	{regexp.MustCompile(`\blocal\s+(function\b|[A-Za-z_])`), "variables are assigned by let: let n = 1"},
	{regexp.MustCompile(`\bfunction\s*[A-Za-z_(]`), "there are no functions of one's own"},
	{regexp.MustCompile(`\btonumber\s*\(`), "tonumber is to_int or to_float"},
	{regexp.MustCompile(`\btostring\s*\(`), "tostring is to_str"},
	{regexp.MustCompile(`\bcjson\s*\.`), "cjson.encode is to_json, cjson.decode is from_json"},
	{regexp.MustCompile(`\b(string|table|math)\s*\.\s*\w+\s*\(`), "functions have no module in front: substring, append, floor"},
	{regexp.MustCompile(`\bnil\b`), "nil is null"},
	{regexp.MustCompile(`~=`), "~= is !="},
	{regexp.MustCompile(`(?m)(^|\s)--`), "comments begin with #"},
	{regexp.MustCompile(`\.\.\s*["'A-Za-z]`), "texts are joined by concat(a, b)"},
}

// luaError tells that a script that does not compile is Lua, if it is.
func luaError(source string, err error) error {
	at, end, instead := len(source), 0, ""
	for _, sign := range luaSigns {
		if m := sign.re.FindStringIndex(source); m != nil && m[0] < at {
			at, end, instead = m[0], m[1], sign.instead
		}
	}
	if instead == "" {
		return err
	}
	for at < end && (source[at] == ' ' || source[at] == '\n' || source[at] == '\t' || source[at] == '\r') {
		at++
	}
	line, column := 1, 1
	for _, r := range source[:at] {
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return &kahuna.Error{Code: kahuna.CodeSyntax, Line: line, Column: column, Err: errors.Unwrap(err),
		Message: fmt.Sprintf("this is Lua, but EVAL takes Kahuna Script; the first difference is '%s': %s", source[at:end], instead),
		Hint:    "see docs/redis.md"}
}
