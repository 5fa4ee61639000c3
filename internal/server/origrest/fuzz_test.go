package origrest

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"kahuna"
	"kahuna/internal/server/wire"
)

// FuzzRequest: any body at any path is answered, with a status that the protocol
// has and with JSON.
func FuzzRequest(f *testing.F) {
	var paths []string
	for path := range endpoints {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	paths = append(paths, "/", "/v1/restore")
	for i, path := range paths {
		f.Add(i, `{}`)
		if strings.HasPrefix(path, "/v1/kv/") {
			f.Add(i, `{"key":"k","value":"dg==","flags":"IfExists,NoRevision","durability":1,"transactionId":{"n":1,"l":"5","c":4294967295},"coordinatorKey":"c",`+
				`"operationIdHigh":18446744073709551615,"items":[{"key":"a","revision":null}],"prefixKey":"b","prefix":"p","cursor":"AQAAAA","script":"cmV0dXJuIDE=",`+
				`"parameters":[{"Key":"@a","json":"[1]"}],"priority":4,"holderId":"h","leaseMs":1,"timestamp":{"l":1}}`)
		}
	}
	db, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{Timeout: 50 * time.Millisecond, TimeoutMax: 50 * time.Millisecond, Sleep: time.Millisecond}})
	if err != nil {
		f.Fatal(err)
	}
	service := wire.New(db, wire.Options{Patience: time.Millisecond, Transactions: 1 << 20})
	h := New(service, Options{})
	f.Cleanup(func() {
		service.Close()
		_ = db.Close()
	})
	f.Fuzz(func(t *testing.T, i int, body string) {
		path := paths[uint(i)%uint(len(paths))]
		method := "POST"
		if e := endpoints[path]; e != nil {
			method = e.method
		}
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case 200, 400, 403, 409:
		default:
			t.Fatalf("%s %s: status %d", path, body, w.Code)
		}
		if path == "/" {
			return
		}
		v, err := parse(w.Body.Bytes())
		if err != nil {
			t.Fatalf("%s %s: %v in %s", path, body, err, w.Body)
		}
		if e := endpoints[path]; w.Code == 200 && e != nil {
			for _, m := range e.members {
				if _, ok := v[m.name]; !ok {
					t.Fatalf("%s %s has no %s: %s", path, body, m.name, w.Body)
				}
			}
		}
	})
}
