package restwire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
)

// FuzzRequests reads bodies of requests. What is accepted can be used, and reads
// the same once it is written again.
func FuzzRequests(f *testing.F) {
	for _, seed := range []string{`{"script":"return 1","params":{"a":[1,2.0,null,{"b":"\u00e4"}]},"paramsBase64":{"x":"/w=="},"timeout":"5s","priority":"low"}`,
		`{"hash":"` + HashOf("x") + `"}`, `{"n":1,"op":"set","key":"k","value":{"base64":"AA=="},"equals":"x","ttl":"1h","revision":-1}`,
		`{"op":"run","run":{"script":"return 1"}}`, `{"op":"range","start":"a","end":"b","limit":3,"asOfMs":5}`, `{"idle":"1s"}`, `{}`, `null`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := DecodeRun(data); err == nil {
			_, _, _, _ = r.Decode()
			again, err := EncodeRun(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := DecodeRun(again); err != nil {
				t.Errorf("%s was accepted, %s is not: %v", data, again, err)
			}
		}
		if o, err := DecodeOperation(data); err == nil {
			_, _, _ = o.Set()
			_, _ = o.Life()
			again, err := Encode(o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := DecodeOperation(again); err != nil {
				t.Errorf("%s was accepted, %s is not: %v", data, again, err)
			}
		}
		_, _ = DecodeBegin(data)
	})
}

// FuzzAnswers reads what may come from a server.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{`{"type":"Get","outcome":"applied","entries":[{"kind":"string","value":{"base64":"AA=="},"revision":1}],"elapsedNs":3}`,
		`{"done":true,"revision":3,"timeMs":5}`, `{"code":"throw","outcome":"not_applied","message":"no","diagnostics":[{"code":"x"}]}`, `{"entries":[],"next":"x"}`,
		`{"n":1,"entry":{"kind":"map","value":{"a":1}},"page":{}}`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Result
		if Decode(data, &r) == nil {
			_, _ = r.Kahuna()
		}
		p := NewProblem("", "", "")
		if Decode(data, p) == nil {
			_ = p.Kahuna().Error()
		}
		var w Write
		if Decode(data, &w) == nil && w.Kahuna().Revision != w.Revision {
			t.Error("the revision is lost")
		}
		var a Answer
		if Decode(data, &a) == nil && a.Entry != nil {
			_, _ = a.Entry.Kahuna()
		}
	})
}

// TestEveryCodeHasAStatus: no code of the store is answered as an unknown one.
func TestEveryCodeHasAStatus(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := Codes()
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "Code" {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if codes[code] == 0 {
			t.Errorf("code %s has no status", code)
		}
		return true
	})
	if found < 20 {
		t.Errorf("only %d codes were found", found)
	}
}
