package rest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"kahuna/internal/restwire"
)

// document is the OpenAPI file.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(OpenAPI)
	if err == nil {
		err = doc.Validate(context.Background())
	}
	return doc, err
})

// conforms checks an exchange of the other tests against the file.
func conforms(t *testing.T, r *http.Request, body string, res *http.Response, answer []byte) {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	path, params := r.URL.EscapedPath(), map[string]string{}
	for prefix, name := range map[string]string{"/v1/keys/": "key", "/v1/tx/": "id"} {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			path = prefix + "{" + name + "}"
			if params[name], err = url.PathUnescape(rest); err != nil {
				t.Fatal(err)
			}
		}
	}
	item := doc.Paths.Value(path)
	if item == nil || item.Operations()[r.Method] == nil {
		if res.StatusCode != 404 && res.StatusCode != 405 {
			t.Errorf("%s %s is not in the file, and is answered with status %d", r.Method, path, res.StatusCode)
		}
		return
	}
	route := &routers.Route{Spec: doc, Path: path, PathItem: item, Method: r.Method, Operation: item.Operations()[r.Method]}
	text := !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") && path != "/v1/tx" && path != "/v1/tx/{id}"
	again := r.Clone(t.Context())
	again.Body = io.NopCloser(strings.NewReader(body))
	if !text {
		again.Header.Set("Content-Type", "application/json")
	}
	in := &openapi3filter.RequestValidationInput{Request: again, PathParams: params, Route: route,
		Options: &openapi3filter.Options{ExcludeRequestBody: text || body == "", MultiError: true}}
	if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil && res.StatusCode < 300 {
		t.Errorf("%s %s %q is answered with status %d, but is not as the file says: %v", r.Method, r.URL, body, res.StatusCode, err)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.StatusCode, Header: res.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true}}
	out.SetBodyBytes(answer)
	if r.Method == http.MethodHead || len(answer) == 0 {
		out.Options.ExcludeResponseBody = true
	}
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("%s %s %q: the answer, status %d, is not as the file says: %v\n%s", r.Method, r.URL, body, res.StatusCode, err, answer)
	}
}

// TestFileIsComplete: the file has every path with its methods, every code, every
// operation of a transaction, and no other.
func TestFileIsComplete(t *testing.T) {
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("it is OpenAPI %s", doc.OpenAPI)
	}
	routes := Routes()
	if got, want := doc.Paths.Keys(), slices.Sorted(maps.Keys(routes)); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("the file has the paths %v, the server %v", got, want)
	}
	codes := restwire.Codes()
	statuses := map[string]bool{"200": true, "201": true, "204": true, "304": true}
	for _, status := range codes {
		statuses[fmt.Sprint(status)] = true
	}
	used := map[string]bool{}
	for path, methods := range routes {
		operations := doc.Paths.Value(path).Operations()
		if got, want := slices.Sorted(maps.Keys(operations)), slices.Sorted(slices.Values(methods)); !slices.Equal(got, want) {
			t.Errorf("%s: the file has the methods %v, the server %v", path, got, want)
		}
		for method, o := range operations {
			for status := range o.Responses.Map() {
				used[status] = true
				if !statuses[status] {
					t.Errorf("%s %s: the server does not answer with status %s", method, path, status)
				}
			}
		}
	}
	used["405"] = true // of a method that is not in the file
	for status := range statuses {
		if !used[status] {
			t.Errorf("no path has status %s", status)
		}
	}
	enum := func(v *openapi3.SchemaRef) (all []string) {
		for _, x := range v.Value.Enum {
			all = append(all, x.(string))
		}
		slices.Sort(all)
		return all
	}
	schemas := doc.Components.Schemas
	if got, want := enum(schemas["Code"]), slices.Sorted(maps.Keys(codes)); !slices.Equal(got, want) {
		t.Errorf("the file has the codes %v, the server %v", got, want)
	}
	if got, want := enum(schemas["Operation"].Value.Properties["op"]), slices.Sorted(slices.Values(restwire.Operations)); !slices.Equal(got, want) {
		t.Errorf("the file has the operations %v, the server %v", got, want)
	}
	s, _ := face(t, Options{})
	res, err := http.Get(s.URL + "/v1/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if served, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(served, OpenAPI) {
		t.Errorf("the server serves another file: %v", err)
	}
}
