package rest

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"kahuna"
	"kahuna/internal/restwire"
)

// begun begins a transaction and returns its path.
func begun(t *testing.T, url, options string) string {
	t.Helper()
	res, err := http.Post(url+"/v1/tx", "application/json", strings.NewReader(options))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	var b restwire.Begun
	if err != nil || json.Unmarshal(data, &b) != nil || res.StatusCode != 201 || len(b.ID) < 20 {
		t.Fatalf("begin: status %d, %s, %v", res.StatusCode, data, err)
	}
	return "/v1/tx/" + b.ID
}

func TestTx(t *testing.T) {
	s, db := face(t, Options{})
	tx := begun(t, s.URL, `{"timeout":"1m","idle":"10s"}`)
	post := "POST " + tx
	for _, e := range []exchange{
		{request: post, body: `{"n":1,"op":"set","key":"a/b","value":"one","ttl":"1h"}`, status: 200, answer: `{"n":1,"write":{"done":true,"revision":0}}`, has: []string{"Kahuna-Operation: 1"}},
		// Sent again it is not done again; another one may not have its number.
		{request: post, body: `{"n":1,"op":"set","key":"a/b","value":"one","ttl":"1h"}`, status: 200, answer: `{"n":1,"write":{"done":true,"revision":0}}`},
		{request: post, body: `{"n":1,"op":"set","key":"a/b","value":"two"}`, status: 400, says: []string{"n 1 was another operation"}},
		{request: post, body: `{"n":5,"op":"set","key":"a/c","value":{"base64":"/w=="},"nx":true}`, status: 200, says: []string{`"done":true`}},
		{request: post, body: `{"n":4,"op":"get","key":"a/b"}`, status: 400, says: []string{"n 4 is over"}},
		{request: post, body: `{"n":6,"op":"get","key":"a/c"}`, status: 200, says: []string{`"found":true`, `"value":{"base64":"/w=="}`}},
		{request: post, body: `{"n":6,"op":"get","key":"a/c"}`, status: 200, says: []string{`"found":true`}},
		{request: post, body: `{"op":"exists","key":"none"}`, status: 200, answer: `{"found":false}`},
		{request: post, body: `{"op":"bucket","bucket":"a","limit":1}`, status: 200, says: []string{`"key":"a/b"`, `"next":"a/b"`}},
		{request: post, body: `{"op":"prefix","prefix":"a/","after":"a/b"}`, status: 200, says: []string{`"key":"a/c"`}},
		{request: post, body: `{"op":"range","start":"a/c","end":"a/d","desc":true}`, status: 200, says: []string{`"key":"a/c"`}},
		{request: post, body: `{"op":"extend","key":"a/b","ttl":"0"}`, status: 200, says: []string{`"done":true`}},
		{request: post, body: `{"op":"delete","key":"a/c"}`, status: 200, says: []string{`"done":true`}},
		{request: post, body: `{"op":"set","space":"ephemeral","key":"e","value":""}`, status: 200},
		{request: post, body: `{"n":7,"op":"run","run":{"script":"set n to_int(get n ?? 0) + @by return get n","params":{"by":2}}}`, status: 200, says: []string{`"value":"2"`, `"outcome":"not_applied"`}},
		{request: post, body: `{"n":7,"op":"run","run":{"script":"set n to_int(get n ?? 0) + @by return get n","params":{"by":2}}}`, status: 200, says: []string{`"value":"2"`}},
		{request: post, body: `{"n":8,"op":"run","run":{"script":"throw 'no'"}}`, status: 409, says: []string{`"code":"throw"`}},
		{request: post, body: `{"n":8,"op":"run","run":{"script":"throw 'no'"}}`, status: 409},
		{request: post, body: `{"op":"run","run":{"script":"return 1","idempotencyKey":"k"}}`, status: 400, says: []string{"has no idempotency key"}},
		{request: post, body: `{"op":"run","run":{"script":"return @x","params":{"x":1e999}}}`, status: 400, says: []string{"bad_parameter"}},
		// Mistakes.
		{request: post, body: `{"op":"get","key":""}`, status: 400, says: []string{"bad_key"}},
		{request: post, body: `{"op":"put","key":"k"}`, status: 400, says: []string{"op must be one of get, exists, set"}},
		{request: post, body: `{"op":"set","key":"k"}`, status: 400, says: []string{"value is missing"}},
		{request: post, body: `{"op":"set","key":"k","value":null}`, status: 400, says: []string{"value must be a text"}},
		{request: post, body: `{"op":"set","key":"k","value":{}}`, status: 400},
		{request: post, body: `{"op":"set","key":"k","value":{"base64":"?"}}`, status: 400, says: []string{"not base64"}},
		{request: post, body: `{"op":"set","key":"k","value":"v","ttl":"30"}`, status: 400, says: []string{"a time with its unit"}},
		{request: post, body: `{"op":"set","key":"k","value":"v","ttl":"-30s"}`, status: 400},
		{request: post, body: `{"op":"set","key":"k","value":"v","tll":"30s"}`, status: 400, says: []string{"tll"}},
		{request: post, body: `{"op":"extend","key":"k"}`, status: 400, says: []string{"ttl is missing"}},
		{request: post, body: `{"op":"run"}`, status: 400, says: []string{"needs it"}},
		{request: post, body: `{"op":"get","key":"k","space":"x"}`, status: 400},
		{request: post, body: `{"op":"get","key":"k","n":-1}`, status: 400},
		{request: post + "?x=1", body: `{"op":"get","key":"k"}`, status: 400},
		{request: "GET " + tx, status: 405, has: []string{"Allow: POST, DELETE"}},
		{request: "POST /v1/tx", body: `{"idle":"-1s"}`, status: 400},
		{request: "POST /v1/tx", body: `{"idel":"1s"}`, status: 400, says: []string{"idel"}},
		{request: "POST /v1/tx/none", body: `{"op":"get","key":"k"}`, status: 404, says: []string{`"code":"no_such_transaction"`}},
		{request: "DELETE /v1/tx/none", status: 404},
		// The end.
		{request: post, body: `{"n":9,"op":"commit"}`, status: 200, answer: `{"n":9,"outcome":"applied"}`},
		{request: post, body: `{"n":9,"op":"commit"}`, status: 200, answer: `{"n":9,"outcome":"applied"}`},
		{request: post, body: `{"n":10,"op":"commit"}`, status: 422, says: []string{`"code":"state"`, `"outcome":"applied"`}},
		{request: post, body: `{"op":"get","key":"a/b"}`, status: 422},
		{request: "DELETE " + tx, status: 204},
		{request: "GET /v1/keys/n", status: 200, answer: "2"},
		{request: "GET /v1/keys/a/b", status: 200, answer: "one"},
		{request: "GET /v1/keys/e?space=ephemeral", status: 200},
	} {
		e.do(t, s.URL)
	}
	left := begun(t, s.URL, "")
	for _, e := range []exchange{
		{request: "POST " + left, body: `{"n":1,"op":"set","key":"n","value":"3"}`, status: 200},
		{request: "DELETE " + left, status: 204},
		{request: "POST " + left, body: `{"n":2,"op":"commit"}`, status: 422, says: []string{`"code":"state"`, `"outcome":"not_applied"`}},
		{request: "GET /v1/keys/n", status: 200, answer: "2"},
	} {
		e.do(t, s.URL)
	}
	if n := db.Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// TestRepeatWhileRunning: an operation that is sent again while it runs is done
// once, and both requests get its answer.
func TestRepeatWhileRunning(t *testing.T) {
	s, db := face(t, Options{})
	holder, tx := begun(t, s.URL, ""), begun(t, s.URL, "")
	(&exchange{request: "POST " + holder, body: `{"op":"set","key":"k","value":"1"}`, status: 200}).do(t, s.URL)
	waits := db.Stats().LockWaits
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			(&exchange{request: "POST " + tx, body: `{"n":1,"op":"run","run":{"script":"set k concat(get k, 'x')"}}`, status: 200, says: []string{`"revision":1`}}).do(t, s.URL)
		})
	}
	for db.Stats().LockWaits == waits {
		time.Sleep(time.Millisecond)
	}
	(&exchange{request: "POST " + holder, body: `{"op":"commit"}`, status: 200}).do(t, s.URL)
	both.Wait()
	(&exchange{request: "POST " + tx, body: `{"op":"commit"}`, status: 200}).do(t, s.URL)
	(&exchange{request: "GET /v1/keys/k", status: 200, answer: "1x"}).do(t, s.URL)
}

// TestTooManyTransactions: there is a bound, and an end frees a place.
func TestTooManyTransactions(t *testing.T) {
	db, err := kahuna.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h := New(db, Options{})
	defer h.Close()
	begin := func() *session {
		t.Helper()
		s, err := h.sessions.begin(t.Context(), db, &kahuna.TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := begin()
	for range sessionsMost - 1 {
		begin()
	}
	if begin() != nil {
		t.Error("there is no bound")
	}
	<-first.turn
	first.end(txDone(kahuna.NotApplied))
	first.give()
	another := begin()
	if another == nil {
		t.Fatal("an end frees no place")
	}
	<-another.turn
	another.end(txDone(kahuna.NotApplied))
	another.give()
	for range endedMost + 10 {
		s := begin()
		<-s.turn
		s.end(txDone(kahuna.NotApplied))
		s.give()
	}
	if n := len(h.sessions.byID); n > sessionsMost+endedMost {
		t.Errorf("%d are remembered", n)
	}
}

// TestIdleTransaction: a transaction that nobody uses is rolled back, tells why
// for a while, and is forgotten then.
func TestIdleTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := kahuna.OpenMemory(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		h := New(db, Options{})
		defer h.Close()
		s, err := h.sessions.begin(t.Context(), db, &kahuna.TxOptions{Idle: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		op := func(n int64, kind string) reply {
			<-s.turn
			defer s.give()
			defer s.rest()
			return h.operate(s, &restwire.Operation{N: n, Op: kind, Key: "k", Value: []byte(`"v"`)}, [32]byte{byte(n)})
		}
		for n := range 5 {
			if r := op(int64(n)+1, "set"); r.problem != nil {
				t.Fatal(r.problem)
			}
			time.Sleep(900 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		<-s.turn
		s.give()
		if s.tx != nil || h.sessions.open != 0 || h.sessions.remembered.Load() != 0 {
			t.Errorf("it is open: %v, %d open, %d bytes", s.tx, h.sessions.open, h.sessions.remembered.Load())
		}
		if r := op(6, "commit"); r.problem == nil || r.problem.Code != string(kahuna.CodeTimeout) || !strings.Contains(r.problem.Message, "not used for 1s") {
			t.Errorf("the commit: %+v", r.problem)
		}
		if h.sessions.get(s.id) == nil {
			t.Error("it is forgotten at once")
		}
		time.Sleep(endedFor + time.Second)
		if h.sessions.get(s.id) != nil {
			t.Error("it is not forgotten")
		}
	})
}
