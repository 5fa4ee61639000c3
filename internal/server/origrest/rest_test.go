package origrest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"kahuna"
	"kahuna/internal/server/wire"
)

// fixture is a served store.
type fixture struct {
	t   testing.TB
	url string
	db  *kahuna.DB
}

func serve(t testing.TB, wo wire.Options, o Options) *fixture {
	t.Helper()
	db, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{Timeout: 2 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	service := wire.New(db, wo)
	server := httptest.NewServer(New(service, o))
	t.Cleanup(func() {
		server.Close()
		service.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &fixture{t, server.URL, db}
}

// post sends a body and returns status and answer.
func (f *fixture) post(path, body string) (int, string) {
	f.t.Helper()
	r, err := http.NewRequest("POST", f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer xxx")
	return f.do(r)
}

func (f *fixture) do(r *http.Request) (int, string) {
	f.t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func (f *fixture) get(path string) (int, string) {
	f.t.Helper()
	r, err := http.NewRequest("GET", f.url+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.do(r)
}

// object sends a body and returns the answer, whose status must be 200.
func (f *fixture) object(path, body string) map[string]any {
	f.t.Helper()
	status, text := f.post(path, body)
	if status != 200 {
		f.t.Fatalf("%s %s: %d %s", path, body, status, text)
	}
	v, err := parse([]byte(text))
	if err != nil {
		f.t.Fatalf("%s %s: %v in %s", path, body, err, text)
	}
	return v
}

// number returns a member that is a number.
func num(v any) int64 {
	n, ok := v.(json.Number)
	if !ok {
		return -999
	}
	i, err := n.Int64()
	if err != nil {
		return -998
	}
	return i
}

// TestExamples: the answers of the protocol's description, to the letter.
func TestExamples(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	mask := func(s string) string { // times differ
		out := ""
		for {
			before, after, ok := strings.Cut(s, `"l":1`)
			if !ok {
				return out + s
			}
			i := strings.IndexByte(after, ',')
			out += before + `"l":T`
			s = after[i:]
		}
	}
	for _, tt := range []struct{ path, body, want string }{
		{"/v1/kv/try-set", `{"key":"greeting","value":"aGVsbG8=","flags":1,"durability":1,"expiresMs":0}`,
			`{"servedFrom":null,"type":0,"revision":0,"lastModified":{"n":1,"l":T,"c":0}}`},
		{"/v1/kv/try-get", `{"key":"greeting","revision":-1,"durability":1}`,
			`{"servedFrom":null,"type":3,"value":"aGVsbG8=","revision":0,"expires":{"n":0,"l":0,"c":0},"lastModified":{"n":1,"l":T,"c":0}}`},
		{"/v1/kv/try-get", `{"key":"none","revision":-1,"durability":1}`,
			`{"servedFrom":null,"type":103,"value":null,"revision":0,"expires":{"n":0,"l":0,"c":0},"lastModified":{"n":0,"l":0,"c":0}}`},
		{"/v1/kv/try-execute-tx-script", `{"script":"cmV0dXJuIHRvX2ludChAbikgKyAx","parameters":[{"key":"@n","value":"41"}]}`,
			`{"servedFrom":null,"type":3,"reason":null,"value":"NDI=","revision":-1,"expires":{"n":0,"l":0,"c":0},` +
				`"values":[{"key":null,"value":"NDI=","revision":-1,"expires":{"n":0,"l":0,"c":0},"lastModified":{"n":0,"l":0,"c":0},"kind":"int64"}],` +
				`"detail":{"outcome":"applied","op":"return"}}`},
		{"/v1/kv/try-execute-tx-script", `{"script":"cmV0dXJuIEBwID09IG51bGw=","parameters":[{"key":"@p","value":null}]}`,
			`{"servedFrom":null,"type":3,"reason":null,"value":"dHJ1ZQ==","revision":-1,"expires":{"n":0,"l":0,"c":0},` +
				`"values":[{"key":null,"value":"dHJ1ZQ==","revision":-1,"expires":{"n":0,"l":0,"c":0},"lastModified":{"n":0,"l":0,"c":0},"kind":"bool"}],` +
				`"detail":{"outcome":"applied","op":"return"}}`},
		// Names in any case, enums by name, and what is unknown.
		{"/v1/kv/try-set", `{"Key":"greeting","VALUE":"aGVsbG8=","flags":"IfNotExists, NoRevision","durability":"Persistent","new":{"x":[1]}}`,
			`{"servedFrom":null,"type":1,"revision":0,"lastModified":{"n":0,"l":0,"c":0}}`},
		// Both builds of the client's writer.
		{"/v1/kv/try-set", `{"key":"empty","value":null,"compareValue":"","durability":1}`,
			`{"servedFrom":null,"type":0,"revision":0,"lastModified":{"n":1,"l":T,"c":0}}`},
		{"/v1/kv/try-get", `{"key":"empty","revision":-1,"durability":1}`,
			`{"servedFrom":null,"type":3,"value":"","revision":0,"expires":{"n":0,"l":0,"c":0},"lastModified":{"n":1,"l":T,"c":0}}`},
		{"/v1/kv/try-exists", `{"key":"empty","revision":-1,"durability":1}`,
			`{"servedFrom":null,"type":10,"revision":0,"expires":{"n":0,"l":0,"c":0},"lastModified":{"n":1,"l":T,"c":0}}`},
		{"/v1/kv/try-get-many", `{"items":[{"key":"greeting","durability":1}]}`,
			`{"type":3,"servedFrom":null,"items":[{"key":"greeting","type":3,"value":"aGVsbG8=","revision":0,"lastModified":{"n":1,"l":T,"c":0},"durability":1}],"timeElapsedMs":0}`},
		{"/v1/kv/try-exists-many", `{"items":[{"key":"greeting","durability":1}]}`,
			`{"type":3,"servedFrom":null,"items":[{"key":"greeting","type":10,"value":null,"revision":0,"lastModified":{"n":1,"l":T,"c":0},"durability":1}],"timeElapsedMs":0}`},
		{"/v1/kv/scan-all-by-prefix", `{"prefixKey":"gree","durability":1}`,
			`{"servedFrom":null,"type":3,"items":[{"key":"greeting","value":"aGVsbG8=","revision":0,"lastModified":{"n":1,"l":T,"c":0}}]}`},
		{"/v1/kv/get-by-range", `{"prefix":"gree","limit":2147483647,"durability":1}`,
			`{"servedFrom":null,"type":3,"items":[{"key":"greeting","value":"aGVsbG8=","revision":0,"lastModified":{"n":1,"l":T,"c":0}}],"nextCursor":null,"hasMore":false}`},
		{"/v1/kv/try-delete", `{"key":"empty","durability":1}`,
			`{"servedFrom":null,"type":4,"revision":1,"lastModified":{"n":1,"l":T,"c":0}}`},
		{"/v1/kv/snapshot-hold/release", `{"holdId":"none"}`, `{"type":103}`},
	} {
		status, got := f.post(tt.path, tt.body)
		if got = mask(got); status != 200 || got != tt.want {
			t.Errorf("%s %s: %d\n got %s\nwant %s", tt.path, tt.body, status, got, tt.want)
		}
	}
}

// TestPaths: every path of the protocol answers, and says what the description
// says that it does.
func TestPaths(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	if status, text := f.get("/"); status != 200 || text != "Kahuna.Server" {
		t.Errorf("GET /: %d %s", status, text)
	}
	for path, e := range endpoints {
		if e.method == "GET" {
			if status, text := f.get(path); status != 200 || !json.Valid([]byte(text)) {
				t.Errorf("GET %s: %d %s", path, status, text)
			}
			continue
		}
		status, text := f.post(path, "{}")
		v, err := parse([]byte(text))
		if err != nil || status == 500 || status == 404 {
			t.Errorf("POST %s: %d %s", path, status, text)
			continue
		}
		for _, m := range e.members {
			if _, ok := v[m.name]; !ok {
				t.Errorf("POST %s has no %s: %s", path, m.name, text)
			}
		}
	}
	// What comes later says so.
	for path, kind := range map[string]int64{"/v1/locks/try-lock": 99, "/v1/locks/try-extend": 99, "/v1/locks/try-unlock": 99, "/v1/locks/get-info": 99,
		"/v1/sequences/create": 99, "/v1/sequences/get": 99, "/v1/sequences/delete": 99, "/v1/sequences/next": 99, "/v1/sequences/reserve": 99} {
		v := f.object(path, `{"resource":"r","owner":"b3duZXI=","expiresMs":5000,"durability":1,"name":"n"}`)
		d, _ := v["detail"].(map[string]any)
		if num(v["type"]) != kind || !strings.Contains(d["message"].(string), "not there yet") {
			t.Errorf("%s: %v", path, v)
		}
	}
	for path, want := range map[string]int{"/v1/cluster/leave": 409, "/v1/ranges/register": 400, "/v1/ranges/merge": 409, "/v1/cluster/replication-factor": 409,
		"/v1/backups/full": 503, "/v1/backups/gc": 503, "/v1/restore": 400} {
		if status, text := f.post(path, "{}"); status != want {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if status, text := f.post("/v1/restore", `{"TargetDir":"/x"}`); status != 403 || !strings.Contains(text, `"outcome":"NotConfigured"`) {
		t.Errorf("restore: %d %s", status, text)
	}
	if status, text := f.post("/v1/cluster/leave", ""); status != 409 || !strings.Contains(text, `"outcome":"RefusedInsufficientVoters"`) {
		t.Errorf("leave without a body: %d %s", status, text)
	}
	if _, text := f.get("/v1/cluster/membership"); !strings.Contains(text, `"role":"Voter"`) || !strings.Contains(text, `"localRole":"Voter"`) {
		t.Errorf("membership: %s", text)
	}
	if _, text := f.get("/v1/ranges?keySpace=a"); !strings.Contains(text, `"keySpace":"a"`) {
		t.Errorf("ranges: %s", text)
	}
}

// TestWrongRequests: what is no request, and what is one that makes no sense.
func TestWrongRequests(t *testing.T) {
	f := serve(t, wire.Options{}, Options{BodyBytes: 1 << 16})
	for _, tt := range []struct {
		path, body string
		want       int
	}{
		{"/v1/kv/try-set", `{"key":`, 400}, {"/v1/kv/try-set", `[]`, 400}, {"/v1/kv/try-set", `{} {}`, 400}, {"/v1/kv/try-set", ``, 400},
		{"/v1/kv/try-set", `{"key":1}`, 400}, {"/v1/kv/try-set", `{"key":"k","value":"!"}`, 400}, {"/v1/kv/try-set", `{"key":"k","expiresMs":1.5}`, 400},
		{"/v1/kv/try-set", `{"key":"k","expiresMs":99999999999}`, 400}, {"/v1/kv/try-set", `{"key":"k","flags":"Never"}`, 400},
		{"/v1/kv/try-set", `{"key":"k","operationIdHigh":-1}`, 400}, {"/v1/kv/try-set", `{"key":"k","operationIdHigh":1e3}`, 400},
		{"/v1/kv/try-set", `{"key":"k","transactionId":{"c":4294967296}}`, 400}, {"/v1/kv/try-get-many", `{"items":[1]}`, 400},
		{"/v1/kv/try-get-many", `{"items":{}}`, 400}, {"/v1/kv/start-tx-session", `{"asyncRelease":1}`, 400},
		{"/v1/kv/try-set", `{"key":"` + strings.Repeat("x", 1<<16) + `"}`, 413}, {"/v1/kv/none", `{}`, 404},
	} {
		if status, text := f.post(tt.path, tt.body); status != tt.want {
			t.Errorf("%s %.60s: %d %s, want %d", tt.path, tt.body, status, text, tt.want)
		}
	}
	if status, _ := f.get("/v1/kv/try-set"); status != 405 {
		t.Errorf("GET: %d", status)
	}
	for _, path := range []string{"/v1/kv/try-set", "/v1/restore"} {
		for _, mediaType := range []string{"text/plain", "", "application/x-www-form-urlencoded"} {
			res, err := http.Post(f.url+path, mediaType, strings.NewReader(`{"targetDir":"x"}`))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != 415 {
				t.Errorf("%s of type %q: %d", path, mediaType, res.StatusCode)
			}
		}
	}
	for _, tt := range []struct{ path, body string }{
		{"/v1/kv/try-set", `{}`}, {"/v1/kv/try-set", `{"key":"k","expiresMs":-1,"durability":1}`}, {"/v1/kv/try-set", `{"key":"__kahuna:x","durability":1}`},
		{"/v1/kv/try-set", `{"key":"k","durability":7}`}, {"/v1/kv/try-extend", `{"key":"k","expiresMs":0,"durability":1}`}, {"/v1/kv/try-set-many", `{}`},
		{"/v1/kv/get-by-bucket", `{"durability":1}`}, {"/v1/kv/get-by-range", `{"prefix":"a","cursor":"?","durability":1}`}, {"/v1/kv/start-tx-session", `{}`},
		{"/v1/kv/start-tx-session", `{"coordinatorKey":"c","lockingType":7}`}, {"/v1/kv/snapshot-hold/acquire", `{"leaseMs":5}`},
		{"/v1/kv/try-execute-tx-script", `{}`}, {"/v1/kv/commit-tx-session", `{"transactionId":{"l":5}}`},
	} {
		if v := f.object(tt.path, tt.body); num(v["type"]) != 100 {
			t.Errorf("%s %s: %v, want InvalidInput", tt.path, tt.body, v)
		}
	}
}

// TestPriority: priorities over REST are one less than over gRPC.
func TestPriority(t *testing.T) {
	for rest, want := range map[string]string{"0": "BACKGROUND", "2": "NORMAL", "4": "CRITICAL", `"High"`: "HIGH"} {
		in := endpoints["/v1/kv/try-execute-tx-script"].in().ProtoReflect()
		v, err := parse([]byte(`{"priority":` + rest + `}`))
		if err == nil {
			err = read(in, v, nil)
		}
		f := in.Descriptor().Fields().ByName("Priority")
		if got := in.Get(f).Enum(); err != nil || string(f.Enum().Values().ByNumber(got).Name()) != "PRIORITY_"+want {
			t.Errorf("%s is %v, %v, want %s", rest, got, err, want)
		}
	}
}

// TestPages: the pages of a range are of one moment.
func TestPages(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	for i := range 10 {
		f.object("/v1/kv/try-set", `{"key":"p/`+strconv.Itoa(i)+`","value":"dg==","durability":1}`)
	}
	keys, cursor, pages := []string{}, "", 0
	for {
		v := f.object("/v1/kv/get-by-range", `{"prefix":"p/","startKey":"p/1","startInclusive":false,"endKey":"p/8","endInclusive":true,"limit":3,"durability":1,"cursor":"`+cursor+`"}`)
		for _, it := range v["items"].([]any) {
			keys = append(keys, it.(map[string]any)["key"].(string))
		}
		if pages++; pages == 1 {
			f.object("/v1/kv/try-delete", `{"key":"p/7","durability":1}`)
			f.object("/v1/kv/try-set", `{"key":"p/77","value":"dg==","durability":1}`)
		}
		if v["hasMore"] == false {
			if v["nextCursor"] != nil {
				t.Errorf("the last page has a cursor: %v", v)
			}
			break
		}
		cursor = v["nextCursor"].(string)
	}
	if got := strings.Join(keys, " "); got != "p/2 p/3 p/4 p/5 p/6 p/7 p/8" || pages != 3 {
		t.Errorf("%s in %d pages", got, pages)
	}
}

// TestTransaction: an interactive transaction over REST, with operation ids of 64
// bits and timestamps of 32.
func TestTransaction(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	start := f.object("/v1/kv/start-tx-session", `{"coordinatorKey":"c","timeout":60000}`)
	id, err := json.Marshal(start["transactionId"])
	if num(start["type"]) != 0 || err != nil {
		t.Fatal(start, err)
	}
	tx := `"transactionId":` + string(id) + `,"coordinatorKey":"c","operationIdHigh":18446744073709551615,"operationIdLow":`
	set := `{` + tx + `"18446744073709551614","key":"k","value":"dg==","durability":1}`
	if v := f.object("/v1/kv/try-set", set); num(v["type"]) != 0 || num(v["revision"]) != 0 {
		t.Fatal(v)
	}
	if v := f.object("/v1/kv/try-set", set); num(v["type"]) != 0 || num(v["revision"]) != 0 {
		t.Error("the repeat got", v)
	}
	// Through a float it would be the same id.
	if v := f.object("/v1/kv/try-set", `{`+tx+`18446744073709551613,"key":"k","value":"dg==","durability":1}`); num(v["type"]) != 0 || num(v["revision"]) != 1 {
		t.Error("another operation got", v)
	}
	if v := f.object("/v1/kv/try-get", `{"key":"k","revision":-1,"durability":1}`); num(v["type"]) != 103 {
		t.Error("it is seen before commit:", v)
	}
	if v := f.object("/v1/kv/try-acquire-exclusive-lock", `{`+tx+`7,"key":"other","durability":1,"expiresMs":5000}`); num(v["type"]) != 5 {
		t.Error("lock:", v)
	}
	if v := f.object("/v1/kv/try-acquire-prefix-lock", `{`+tx+`8,"key":"bucket","durability":1,"expiresMs":5000}`); num(v["type"]) != 5 {
		t.Error("prefix lock:", v)
	}
	if v := f.object("/v1/kv/try-release-prefix-lock", `{"transactionId":`+string(id)+`,"key":"bucket","durability":1}`); num(v["type"]) != 6 {
		t.Error("prefix release:", v)
	}
	commit := `{"coordinatorKey":"c","transactionId":` + string(id) + `,"recordAnchorKey":null}`
	if v := f.object("/v1/kv/commit-tx-session", commit); num(v["type"]) != 8 || v["recordAnchorKey"] != nil {
		t.Error("commit:", v)
	}
	if v := f.object("/v1/kv/try-get", `{"key":"k","revision":-1,"durability":1}`); num(v["type"]) != 3 || num(v["revision"]) != 1 {
		t.Error("after commit:", v)
	}
	hold := f.object("/v1/kv/snapshot-hold/acquire", `{"holderId":"h","leaseMs":60000,"timestamp":{"n":3,"l":9223372036854775807,"c":4294967295}}`)
	if num(hold["type"]) != 0 || len(hold["holdId"].(string)) != 32 {
		t.Error("hold:", hold)
	}
	if _, text := f.get("/v1/kv/snapshot-floor"); text != `{"type":3,"effectiveFloor":{"n":3,"l":9223372036854775807,"c":4294967295},"liveHolds":1}` {
		t.Error("floor:", text)
	}
}
