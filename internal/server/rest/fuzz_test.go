package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"kahuna"
	"kahuna/internal/restwire"
)

// FuzzRequest sends requests of any kind. None ends in a panic or in status 500;
// every error is a problem document with the status and code of the answer;
// what a request takes in memory is given back, and is bounded.
func FuzzRequest(f *testing.F) {
	const bodyMost = 16 << 10
	for _, seed := range []struct{ method, target, header, body string }{
		{"POST", "/v1/run", "", "return 1 + 1"},
		{"POST", "/v1/run?p.item=a%2Fb&timeout=1s&priority=low", "Content-Type: text/plain", "return @item"},
		{"POST", "/v1/run", asJSON + "\nIdempotency-Key: k", `{"script":"set @k 1","params":{"k":"a"},"paramsBase64":{"x":"/w=="},"timeout":"1s"}`},
		{"POST", "/v1/run", asJSON, `{"hash":"` + restwire.HashOf("return 7") + `","script":"return 7"}`},
		{"GET", "/v1/keys/a%2Fb?format=json", `If-None-Match: "0", W/"1"`, ""},
		{"HEAD", "/v1/keys/..//%FF", "", ""},
		{"PUT", "/v1/keys/a", "If-Match: \"0\"\nKahuna-TTL: 1h\nKahuna-Keep-TTL: true", "value"},
		{"PATCH", "/v1/keys/a?space=ephemeral", "Kahuna-TTL: 0", ""},
		{"DELETE", "/v1/keys/a", `If-Match: "3"`, ""},
		{"GET", "/v1/keys?prefix=a&limit=3&after=b&desc=true&asOfMs=1", "", ""},
		{"GET", "/v1/keys?start=a&end=b;x=%zz", "Origin: http://x", ""},
		{"POST", "/v1/tx", "", `{"idle":"1s","readOnly":true}`},
		{"POST", "/v1/tx/x", "", `{"n":1,"op":"set","key":"k","value":{"base64":"AA=="},"equals":"x","ttl":"1h"}`},
		{"POST", "/v1/tx/x", "", `{"op":"run","run":{"script":"return 1"}}`},
		{"DELETE", "/v1/tx/x", "", ""}, {"GET", "/v1/openapi.yaml", "", ""}, {"TRACE", "*", "", ""},
	} {
		f.Add(seed.method, seed.target, seed.header, seed.body)
	}
	db, err := kahuna.OpenMemory(&kahuna.Options{EphemeralBytes: 1 << 20, RowCacheBytes: 1 << 20, HistoryRevisions: 1, Limits: kahuna.Limits{
		Steps: 10_000, MemoryBytes: 1 << 20, WrittenBytes: 64 << 10, ValueBytes: 64 << 10, Timeout: time.Second, TimeoutMax: time.Second, Sleep: 10 * time.Millisecond}})
	if err != nil {
		f.Fatal(err)
	}
	h := New(db, Options{BodyBytes: bodyMost})
	f.Cleanup(func() {
		h.Close()
		if err := db.Close(); err != nil {
			f.Error(err)
		}
	})
	tx := ""
	f.Fuzz(func(t *testing.T, method, target, header, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || strings.ContainsAny(method, " \r\n") {
			return // net/http refuses it
		}
		if tx == "" || h.sessions.get(tx).tx == nil {
			s, err := h.sessions.begin(context.Background(), db, &kahuna.TxOptions{})
			if err != nil {
				t.Fatal(err)
			}
			tx = s.id
		}
		if u.Path == "/v1/tx/x" {
			u.Path, u.RawPath = "/v1/tx/"+tx, ""
		}
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, u, target
		for line := range strings.SplitSeq(header, "\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				r.Header.Add(name, value)
			}
		}
		w := httptest.NewRecorder()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h.ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		told(t, method, w)
		if n := h.bodies.Load(); n != 0 {
			t.Errorf("%d bytes of bodies are not given back", n)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
			t.Errorf("the request made %d bytes", n)
		}
	})
}

// told checks what every answer keeps to.
func told(t *testing.T, method string, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code < 400 {
		return
	}
	if w.Code == http.StatusInternalServerError {
		t.Errorf("status 500: %s", w.Body)
	}
	if w.Header().Get(restwire.CodeHeader) == "" || w.Header().Get("Content-Type") != restwire.ProblemType {
		t.Errorf("status %d without a problem: %v", w.Code, w.Header())
	}
	if method == http.MethodHead {
		return
	}
	var p restwire.Problem
	if err := restwire.Decode(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Code != w.Header().Get(restwire.CodeHeader) ||
		p.Title == "" || p.Message == "" && p.Code != string(kahuna.CodeThrow) {
		t.Errorf("status %d, no problem document: %v, %s", w.Code, err, w.Body)
	}
	if restwire.Codes()[p.Code] != w.Code {
		t.Errorf("code %s has status %d", p.Code, w.Code)
	}
	var any map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &any); err != nil && !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("the problem is no JSON: %v, %s", err, w.Body)
	}
}
