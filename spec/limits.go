package spec

import (
	"fmt"
	"strings"

	"kahuna/script"
)

// limitsFile is the name under which the generated cases report.
const limitsFile = "limits.go"

// limitCases are the cases of Appendix B whose scripts or values are too long
// for a text file, each at the bound and one beyond it.
func limitCases() []Case {
	var cases []Case
	add := func(name string, steps ...Step) {
		for i := range steps {
			steps[i].Line = len(cases) + 1
		}
		cases = append(cases, Case{Name: name, File: limitsFile, Line: len(cases) + 1, Steps: steps})
	}
	fails := func(code script.Code, source string, says ...string) Step {
		return Step{Source: source, Want: Want{Code: code, Says: says}}
	}
	get := func(source, value string) Step {
		t := script.TypeGet
		return Step{Source: source, Want: Want{Type: &t, Entries: []Entry{{Value: value, Revision: -1}}}}
	}
	is := func(t script.Type, source string) Step { return Step{Source: source, Want: Want{Type: &t}} }

	const sourceMax = 256 << 10
	padded := func(n int) string { return "return 1" + strings.Repeat(" ", n-len("return 1")) }
	add("a script of 256 KiB", get(padded(sourceMax), "1"))
	add("a script of more than 256 KiB", fails(script.CodeLimit, padded(sourceMax+1)))

	const statementsMax = 10_000
	add("ten thousand statements", get(strings.Repeat("let a = 1\n", statementsMax-1)+"return a", "1"))
	add("more than ten thousand statements", fails(script.CodeLimit, strings.Repeat("let a = 1\n", statementsMax)+"return a"))

	nested := func(open, inner, end string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	for _, shape := range []struct{ name, before, open, inner, end string }{
		{"parentheses", "return ", "(", "1", ")"},
		{"prefix operators", "return ", "- ", "1", ""},
		{"calls", "return ", "abs(", "1", ")"},
		{"brackets", "return ", "[", "1", "]"},
		{"blocks", "", "if true then ", "let a = 1", " end"},
	} {
		add("nesting of "+shape.name,
			Step{Source: shape.before + nested(shape.open, shape.inner, shape.end, 190)},
			fails(script.CodeLimit, shape.before+nested(shape.open, shape.inner, shape.end, 210), "nested deeper than 200"))
	}
	add("a flood of parentheses is a limit and no crash",
		fails(script.CodeLimit, "return "+strings.Repeat("(", 100_000)))
	for _, row := range []struct{ name, before, unit, after, value string }{
		{"sum", "let n = 1 return 0", " + n", "", "60000"},
		{"sum of literals", "return 0", " + 1", "", "60000"},
		{"remainders and products", "return 7", " % 4 * 1", "", "3"},
		{"conjunction", "return true", "&&true", "", "true"},
		{"disjunction", "let n = false return n", "||n", " || true", "true"},
		{"defaults", "let n = null return n", "??n", " ?? 3", "3"},
		{"comparison", "return true", "==true", "", "true"},
	} {
		n := 240_000 / len(row.unit)
		add("operators in a row do not nest: "+row.name, get(row.before+strings.Repeat(row.unit, min(n, 60_000))+row.after, row.value))
	}
	add("operators in a row do not nest: indexes",
		Step{Source: "let a = [1] return a" + strings.Repeat("[0]", 60_000), Want: Want{Code: script.CodeType}})
	add("arrays nest as deep as brackets",
		Step{Source: "let a = [] for i in 2..200 do let a = [a] end"},
		Step{Source: "let a = [] for i in 1..200 do let a = [a] end",
			Want: Want{Code: script.CodeLimit, Says: []string{"nested deeper than 200", "Limits.Nesting"}}})

	key := func(n int) string { return `(repeat("k", ` + fmt.Sprint(n) + `))` }
	add("a key of 4 KiB", is(script.TypeSet, "set "+key(4096)+" 1"))
	add("a computed key of more than 4 KiB", fails(script.CodeBadKey, "set "+key(4097)+" 1"))
	add("a key of more than 4 KiB by name", fails(script.CodeBadKey, `set "`+strings.Repeat("k", 4097)+`" 1`))
	add("a parameter too long for a key", Step{
		Source: "set @k 1",
		Params: []Param{{Name: "k", Value: strings.Repeat("k", 4097)}},
		Want:   Want{Code: script.CodeBadParameter},
	})

	add("a value of 16 MiB", is(script.TypeSet, "set k repeat('x', 16777216)"))
	add("a value of more than 16 MiB", fails(script.CodeLimit, "set k concat(repeat('x', 16777216), 'y')"))

	write := func(n int) string {
		return fmt.Sprintf("for i in 1..%d do set (concat('w/', i)) i end", n)
	}
	add("ten thousand keys in one script", is(script.TypeSet, write(10_000)))
	add("more than ten thousand keys in one script", fails(script.CodeLimit, write(10_001)))
	add("many writes to one key are one key", is(script.TypeSet, "for i in 1..20000 do set k i end"))

	add("a bucket of 4096 keys and one more",
		is(script.TypeSet, write(4096)),
		get("return count(get by bucket w)", "4096"),
		get("return count(scan by prefix 'w/')", "4096"),
		is(script.TypeSet, "set 'w/0' 1"),
		fails(script.CodeLimit, "get by bucket w", "too many keys", "4096"),
		fails(script.CodeLimit, "scan by prefix w", "too many keys", "4096"))

	add("a key for idempotency of 1024 bytes", Step{Source: "set k 1", Key: strings.Repeat("i", 1024)})
	add("a key for idempotency of more than 1024 bytes", Step{
		Source: "set k 1", Key: strings.Repeat("i", 1025), Want: Want{Code: script.CodeBadRequest, Only: true},
	})
	return cases
}
