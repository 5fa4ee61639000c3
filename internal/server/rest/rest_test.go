package rest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"kahuna"
	"kahuna/internal/restwire"
)

// face serves a store in memory.
func face(t testing.TB, o Options) (*httptest.Server, *kahuna.DB) {
	t.Helper()
	db, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{Timeout: 2 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	h := New(db, o)
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.Close()
		h.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, db
}

// exchange is a request and what its answer must be. Headers are "Name: value".
type exchange struct {
	request string // "METHOD /path"
	headers []string
	body    string
	status  int
	answer  string   // all of the body, unless it is empty
	says    []string // parts of it
	has     []string // headers of the answer
}

func (e *exchange) do(t *testing.T, url string) {
	t.Helper()
	method, path, _ := strings.Cut(e.request, " ")
	var body io.Reader
	if e.body != "" {
		body = strings.NewReader(e.body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range e.headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", e.request, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	conforms(t, req, e.body, res, data)
	text := string(data)
	if res.StatusCode != e.status || e.answer != "" && text != e.answer {
		t.Errorf("%s %q: status %d, want %d; body\n%s\nwant\n%s", e.request, e.body, res.StatusCode, e.status, text, e.answer)
	}
	for _, part := range e.says {
		if !strings.Contains(text, part) {
			t.Errorf("%s %q: %s\ndoes not have %s", e.request, e.body, text, part)
		}
	}
	for _, h := range e.has {
		name, value, _ := strings.Cut(h, ": ")
		if got := res.Header.Get(name); got != value {
			t.Errorf("%s: the header %s is %q, want %q", e.request, name, got, value)
		}
	}
	if res.StatusCode >= 400 && method != http.MethodHead {
		var p restwire.Problem
		if err := json.Unmarshal(data, &p); err != nil || p.Status != res.StatusCode || p.Code == "" || p.Title == "" || p.Detail == "" ||
			res.Header.Get("Content-Type") != restwire.ProblemType || res.Header.Get("Kahuna-Code") != p.Code {
			t.Errorf("%s: no problem document: %v %s", e.request, err, text)
		}
	}
}

const asJSON = "Content-Type: application/json"

func TestKeys(t *testing.T) {
	s, _ := face(t, Options{})
	binary := "\x00\xff"
	for _, e := range []exchange{
		{request: "GET /v1/keys/a/b", status: 404, says: []string{`"code":"does_not_exist"`}},
		{request: "HEAD /v1/keys/a/b", status: 404, has: []string{"Kahuna-Code: does_not_exist"}},
		{request: "PUT /v1/keys/a/b", body: "one", status: 200, says: []string{`"done":true,"revision":0`}, has: []string{`ETag: "0"`}},
		{request: "GET /v1/keys/a%2Fb", status: 200, answer: "one", has: []string{`ETag: "0"`, "Content-Type: application/octet-stream"}},
		{request: "HEAD /v1/keys/a%2fb", status: 200, has: []string{`ETag: "0"`}},
		{request: "GET /v1/keys/a/b?format=json", status: 200, says: []string{`"key":"a/b"`, `"kind":"string"`, `"value":"one"`, `"revision":0`}},
		// Nothing of a path is cleaned.
		{request: "PUT /v1/keys/a//b/%2E%2E/%25+", body: "odd", status: 200},
		{request: "GET /v1/keys?prefix=a//", status: 200, says: []string{`"key":"a//b/../%+"`}},
		{request: "GET /v1/keys/a%2F%2Fb%2F..%2F%25%2B", status: 200, answer: "odd"},
		{request: "PUT /v1/keys/" + "%C3%A4", body: binary, status: 200},
		{request: "GET /v1/keys/ä", status: 200, answer: binary},
		{request: "GET /v1/keys/ä?format=json", status: 200, says: []string{`"value":{"base64":"AP8="}`}},
		{request: "PUT /v1/keys/%FF", body: "x", status: 400, says: []string{`"code":"bad_key"`}},
		{request: "PUT /v1/keys/", body: "x", status: 400, says: []string{`"code":"bad_key"`}},
		// Conditions.
		{request: "PUT /v1/keys/a/b", headers: []string{"If-None-Match: *"}, body: "x", status: 412, says: []string{`"revision":0`}, has: []string{`ETag: "0"`}},
		{request: "PUT /v1/keys/a/b", headers: []string{`If-Match: "1"`}, body: "x", status: 412},
		{request: "PUT /v1/keys/a/b", headers: []string{`If-Match: "0"`}, body: "two", status: 200, has: []string{`ETag: "1"`}},
		{request: "PUT /v1/keys/a/b", headers: []string{`If-Match: *`}, body: "", status: 200, has: []string{`ETag: "2"`}},
		{request: "PUT /v1/keys/none", headers: []string{`If-Match: *`}, body: "x", status: 412},
		{request: "PUT /v1/keys/a/b", headers: []string{`If-Match: W/"2"`}, body: "x", status: 400, says: []string{"one revision in quotes"}},
		{request: "PUT /v1/keys/a/b", headers: []string{`If-Match: "2", "3"`}, body: "x", status: 400},
		{request: "GET /v1/keys/a/b", headers: []string{`If-None-Match: "2"`}, status: 304, has: []string{`ETag: "2"`}},
		{request: "GET /v1/keys/a/b", headers: []string{`If-None-Match: "1", W/"2"`}, status: 304},
		{request: "GET /v1/keys/a/b", headers: []string{`If-None-Match: "1"`}, status: 200},
		{request: "GET /v1/keys/a/b", headers: []string{`If-Match: "1"`}, status: 412},
		{request: "DELETE /v1/keys/a/b", headers: []string{`If-Match: "1"`}, status: 412, says: []string{`"revision":2`}},
		{request: "DELETE /v1/keys/a/b", headers: []string{`If-Match: "2"`}, status: 200, says: []string{`"revision":3`}},
		{request: "DELETE /v1/keys/a/b", headers: []string{`If-Match: "3"`}, status: 412},
		{request: "DELETE /v1/keys/a/b", headers: []string{`If-Match: *`}, status: 412},
		{request: "DELETE /v1/keys/a/b", status: 404},
		{request: "DELETE /v1/keys/a/b", headers: []string{`If-None-Match: *`}, status: 400},
		// Times to live.
		{request: "PUT /v1/keys/t", headers: []string{"Kahuna-TTL: 1h"}, body: "x", status: 200},
		{request: "GET /v1/keys/t?format=json", status: 200, says: []string{`"expiresMs":`}},
		{request: "PUT /v1/keys/t", headers: []string{"Kahuna-Keep-TTL: true"}, body: "y", status: 200},
		{request: "GET /v1/keys/t?format=json", status: 200, says: []string{`"expiresMs":`}},
		{request: "PATCH /v1/keys/t", headers: []string{"Kahuna-TTL: 0"}, status: 200},
		{request: "GET /v1/keys/t", status: 200, has: []string{"Kahuna-Expires-Ms: "}},
		{request: "PATCH /v1/keys/t", status: 400, says: []string{"Kahuna-TTL is missing"}},
		{request: "PATCH /v1/keys/none", headers: []string{"Kahuna-TTL: 1s"}, status: 404},
		{request: "PUT /v1/keys/t", headers: []string{"Kahuna-TTL: 30"}, body: "x", status: 400, says: []string{"a time with its unit"}},
		{request: "PUT /v1/keys/t", headers: []string{"Kahuna-TTL: -1s"}, body: "x", status: 400},
		// The other space.
		{request: "PUT /v1/keys/e?space=ephemeral", body: "x", status: 200},
		{request: "GET /v1/keys/e", status: 404},
		{request: "GET /v1/keys?space=ephemeral", status: 200, says: []string{`"key":"e"`}},
		{request: "DELETE /v1/keys/e?space=ephemeral", headers: []string{`If-Match: "0"`}, status: 200},
		// Mistakes.
		{request: "GET /v1/keys/e?space=x", status: 400, says: []string{"persistent or ephemeral"}},
		{request: "GET /v1/keys/e?formt=json", status: 400, says: []string{`it may have space, format`}},
		{request: "GET /v1/keys/e?format=xml", status: 400},
		{request: "POST /v1/keys/e", body: "x", status: 405, has: []string{"Allow: GET, HEAD, PUT, PATCH, DELETE"}},
		{request: "PUT /v1/keys/e", headers: []string{"Idempotency-Key: k"}, body: "x", status: 400, says: []string{"belongs to scripts"}},
		{request: "GET /v2/keys", status: 404, says: []string{`"code":"no_such_resource"`}},
		{request: "GET /v1/keys/e", headers: []string{"Origin: http://example.com"}, status: 400},
	} {
		e.do(t, s.URL)
	}
}

func TestPages(t *testing.T) {
	s, _ := face(t, Options{})
	for _, k := range []string{"p/a", "p/b", "p/c/d", "q"} {
		(&exchange{request: "PUT /v1/keys/" + k, body: k, status: 200}).do(t, s.URL)
	}
	for _, e := range []exchange{
		{request: "GET /v1/keys?prefix=p/&limit=2", status: 200, says: []string{`"p/a"`, `"next":"p/b"`}},
		{request: "GET /v1/keys?prefix=p/&limit=2&after=p/b", status: 200, says: []string{`"entries":[{"key":"p/c/d"`}},
		{request: "GET /v1/keys?prefix=p/&limit=1&desc=true", status: 200, says: []string{`"next":"p/c/d"`}},
		{request: "GET /v1/keys?bucket=p&limit=2", status: 200, says: []string{`"p/b"`}},
		{request: "GET /v1/keys?start=p/b&end=q", status: 200, says: []string{`"entries":[{"key":"p/b"`, `"p/c/d"`}},
		{request: "GET /v1/keys?prefix=z", status: 200, answer: `{"entries":[]}`},
		{request: "GET /v1/keys?prefix=p&bucket=p", status: 400},
		{request: "GET /v1/keys?limit=0", status: 400, says: []string{"limit must be 1 to 1000"}},
		{request: "GET /v1/keys?limit=1001", status: 400},
		{request: "GET /v1/keys?desc=yes", status: 400},
		{request: "GET /v1/keys?prefix=p&asOfMs=1", status: 200, answer: `{"entries":[]}`},
		{request: "GET /v1/keys?prefix=%zz", status: 400},
	} {
		e.do(t, s.URL)
	}
}

func TestRun(t *testing.T) {
	s, _ := face(t, Options{BodyBytes: 1 << 20})
	keyed := []string{asJSON, "Idempotency-Key: k1"}
	for _, e := range []exchange{
		{request: "POST /v1/run", body: "return 1 + 1", status: 200, says: []string{`"kind":"int64","value":2`}},
		{request: "POST /v1/run?p.item=a%2Fb&p.raw=%FF", body: "return [@item, len(@raw)]", status: 200, says: []string{`"value":"a/b"`}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return [@i, @f, @n, @b, @m, @x]","params":{"i":9007199254740993,"f":3.0,"n":null,"b":true,"m":{"z":1,"a":[2]}},"paramsBase64":{"x":"/w=="}}`, status: 200,
			says: []string{`"kind":"int64","value":9007199254740993`, `"kind":"float64"`, `"kind":"null","value":null`, `"kind":"bool","value":true`, `"value":{"z":1,"a":[2]}`, `"value":{"base64":"/w=="}`}},
		{request: "POST /v1/run", headers: keyed, body: `{"script":"let n = to_int(get c ?? 0) + 1 set c n return n"}`, status: 200, says: []string{`"value":1`}},
		{request: "POST /v1/run", headers: keyed, body: `{"script":"let n = to_int(get c ?? 0) + 1 set c n return n"}`, status: 200, says: []string{`"value":1`}},
		{request: "POST /v1/run", headers: keyed, body: `{"script":"return 1","idempotencyKey":"k2"}`, status: 400, says: []string{"differ"}},
		{request: "POST /v1/run", headers: keyed, body: `{"script":"return 1"}`, status: 400},
		{request: "POST /v1/run", body: "\n throw 'sold out', 'sold-out'", status: 409,
			says: []string{`"code":"throw"`, `"outcome":"not_applied"`, `"userCode":"sold-out"`, `"line":2`, `"message":"sold out"`}},
		{request: "POST /v1/run", body: "set x uper(1)", status: 400, says: []string{`"code":"unknown_function"`, `"column":7`, `did you mean 'upper'?`, `"diagnostics":[`}},
		{request: "POST /v1/run", body: "return 1 / 0", status: 422, says: []string{`"code":"division_by_zero"`}},
		{request: "POST /v1/run", body: "return @x", status: 400, says: []string{`"code":"missing_parameter"`}},
		{request: "POST /v1/run?timeout=20ms", body: "sleep 10s", status: 504, says: []string{`"code":"timeout"`}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return 1","timeout":"5"}`, status: 400, says: []string{"a time with its unit"}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return 1","priority":"urgent"}`, status: 400, says: []string{"background, low"}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return 1","param":{}}`, status: 400, says: []string{"the members are script, hash, params"}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"params":{}}`, status: 400, says: []string{"script is missing"}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return 1","script":"return 2"}`, status: 400, says: []string{"duplicate"}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return @a","params":{"a":1,"a":2}}`, status: 400, says: []string{"duplicate"}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return @a","params":{"a":{"b":1,"b":2}}}`, status: 400, says: []string{"duplicate"}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return @a","params":{"a":"\ud800"}}`, status: 400, says: []string{"surrogate"}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: "{\"script\":\"return @a\",\"params\":{\"a\":\"\xff\"}}", status: 400, says: []string{"UTF-8"}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return @a","params":{"a":1e999}}`, status: 400, says: []string{"parameter @a"}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return @a","params":{"a":1},"paramsBase64":{"a":"AA=="}}`, status: 400, says: []string{"twice"}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return @a","paramsBase64":{"a":"?"}}`, status: 400, says: []string{"base64"}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return 1"} x`, status: 400},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"hash":"` + restwire.HashOf("return 7") + `"}`, status: 404, says: []string{`"code":"no_such_script"`}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return 7","hash":"` + restwire.HashOf("return 7") + `"}`, status: 200, says: []string{`"value":7`}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"hash":"` + restwire.HashOf("return 7") + `"}`, status: 200, says: []string{`"value":7`}},
		{request: "POST /v1/run", headers: []string{asJSON}, body: `{"script":"return 8","hash":"` + restwire.HashOf("return 7") + `"}`, status: 400, says: []string{"is not the SHA-256 of script"}},
		{request: "POST /v1/run", headers: []string{"Content-Type: image/png"}, body: "return 1", status: 415},
		{request: "POST /v1/run", body: strings.Repeat(" ", 1<<20+1), status: 413, says: []string{"more than 1048576 bytes"}},
		{request: "POST /v1/run?x=1", body: "return 1", status: 400},
		{request: "POST /v1/run?p.=1", body: "return 1", status: 400},
		{request: "GET /v1/run", status: 405, has: []string{"Allow: POST"}},
	} {
		e.do(t, s.URL)
	}
}

// TestLargeAnswer reads an answer that is sent while it is encoded.
func TestLargeAnswer(t *testing.T) {
	s, _ := face(t, Options{})
	res, err := http.Post(s.URL+"/v1/run", "text/plain", strings.NewReader(`return [repeat("\x01", 700000), repeat("\xff", 700000), 3]`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, %s, %v", res.StatusCode, res.Header.Get("Content-Type"), err)
	}
	var sent restwire.Result
	if err := restwire.Decode(data, &sent); err != nil {
		t.Fatal(err)
	}
	got, err := sent.Kahuna()
	if err != nil {
		t.Fatal(err)
	}
	if got.Entries[0].Value != strings.Repeat("\x01", 700000) || got.Entries[1].Value != strings.Repeat("\xff", 700000) || got.Entries[2].Value != "3" {
		t.Error("the values are not those of the script")
	}
}
