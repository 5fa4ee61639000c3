package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kahuna"
	"kahuna/internal/restwire"
)

// key answers /v1/keys/{key}. escaped is the key as the path has it: slashes
// stand for themselves or as %2F, and nothing is cleaned.
func (c *call) key(escaped string) {
	c.name = map[string]string{"GET": "get", "HEAD": "exists", "PUT": "set", "PATCH": "extend", "DELETE": "delete"}[c.r.Method]
	key, err := url.PathUnescape(escaped)
	if err != nil {
		c.badRequest("the key in the path cannot be read: "+err.Error(), "write % as %25, ? as %3F, # as %23")
		return
	}
	allowed := []string{"space"}
	if c.r.Method == "GET" {
		allowed = append(allowed, "format")
	}
	if !c.known(allowed...) {
		return
	}
	space, ok := c.space()
	if !ok {
		return
	}
	switch c.r.Method {
	case "PUT":
		c.put(space, key)
	case "PATCH":
		c.extend(space, key)
	case "DELETE":
		c.delete(space, key)
	default:
		c.get(space, key)
	}
}

// etag is the ETag of a revision.
func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

func (c *call) get(space kahuna.Space, key string) {
	format := c.query.Get("format")
	if format != "" && format != "json" && format != "raw" {
		c.badRequest("there is no format "+strconv.Quote(format), "format is raw or json")
		return
	}
	e, found, err := space.Get(c.r.Context(), key)
	switch {
	case err != nil:
		c.fail(err)
		return
	case !found:
		p := restwire.NewProblem(restwire.CodeNotFound, "the key does not exist", "")
		p.Key = key
		c.problem(p)
		return
	}
	header := c.w.Header()
	header.Set("ETag", etag(e.Revision))
	header.Set("Kahuna-Modified-Ms", strconv.FormatInt(restwire.UnixMilli(e.Modified), 10))
	if !e.Expires.IsZero() {
		header.Set("Kahuna-Expires-Ms", strconv.FormatInt(e.Expires.UnixMilli(), 10))
	}
	if want := c.header("If-Match"); want != "" && !matches(want, e.Revision, false) {
		c.conditionFailed("If-Match does not hold", key, e.Revision)
		return
	}
	if want := c.header("If-None-Match"); want != "" && matches(want, e.Revision, true) {
		c.w.WriteHeader(http.StatusNotModified)
		return
	}
	if format == "json" {
		c.answer(restwire.EntryOf(&e))
		return
	}
	c.send(http.StatusOK, "application/octet-stream", []byte(e.Value))
}

// header returns all values of a header as one list.
func (c *call) header(name string) string { return strings.Join(c.r.Header.Values(name), ",") }

// matches reports whether a list of entity tags has the one of revision. Weak
// ones count for If-None-Match only.
func matches(list string, revision int64, weak bool) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		if weak {
			tag = strings.TrimPrefix(tag, "W/")
		}
		if tag == "*" || tag == etag(revision) {
			return true
		}
	}
	return false
}

func (c *call) conditionFailed(message, key string, revision int64) {
	p := restwire.NewProblem(restwire.CodeConditionFailed, message, "")
	if revision >= 0 {
		p.Message += fmt.Sprintf("; the key stands at revision %d", revision)
		p.Detail = p.Message
		c.w.Header().Set("ETag", etag(revision))
	}
	p.Key, p.Revision = key, &revision
	c.problem(p)
}

// conditions reads If-Match and If-None-Match of a write: "*", or one revision.
func (c *call) conditions() (exists, absent bool, revision *int64, err error) {
	if match := c.header("If-Match"); match == "*" {
		exists = true
	} else if match != "" {
		text, quoted := strings.CutPrefix(match, `"`)
		text, closed := strings.CutSuffix(text, `"`)
		n, err := strconv.ParseInt(text, 10, 64)
		if !quoted || !closed || err != nil || n < -1 {
			return false, false, nil, fmt.Errorf(`If-Match must be * or one revision in quotes, such as "3", got %s`, match)
		}
		revision = &n
	}
	switch none := c.header("If-None-Match"); none {
	case "":
	case "*":
		absent = true
	default:
		return false, false, nil, fmt.Errorf("If-None-Match of a write must be *, got %s", none)
	}
	return exists, absent, revision, nil
}

// ttl reads the header Kahuna-TTL.
func (c *call) ttl() (time.Duration, bool, error) {
	text := c.r.Header.Get("Kahuna-TTL")
	if text == "" {
		return 0, false, nil
	}
	if text == "0" {
		return 0, true, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, false, fmt.Errorf("the header Kahuna-TTL must be a time with its unit, such as 30s or 250ms, or 0 for ever, got %q", text)
	}
	return d, true, nil
}

func (c *call) yes(name string) (bool, error) {
	switch v := c.r.Header.Get(name); v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, fmt.Errorf("the header %s must be true or false, got %q", name, v)
	}
}

// setOptions reads the headers of a PUT.
func (c *call) setOptions() (o *kahuna.SetOptions, err error) {
	o = &kahuna.SetOptions{}
	if o.XX, o.NX, o.Revision, err = c.conditions(); err != nil {
		return nil, err
	}
	if o.TTL, _, err = c.ttl(); err != nil {
		return nil, err
	}
	if o.KeepTTL, err = c.yes("Kahuna-Keep-TTL"); err != nil {
		return nil, err
	}
	o.NoHistory, err = c.yes("Kahuna-No-History")
	return o, err
}

func (c *call) put(space kahuna.Space, key string) {
	o, err := c.setOptions()
	if err != nil {
		c.badRequest(err.Error(), "")
		return
	}
	body, ok := c.body()
	if !ok {
		return
	}
	w, err := space.Set(c.r.Context(), key, string(body), o)
	switch {
	case err != nil:
		c.fail(err)
	case !w.Done:
		c.conditionFailed("a condition of the write does not hold", key, w.Revision)
	default:
		c.wrote(w)
	}
}

func (c *call) wrote(w kahuna.WriteResult) {
	c.w.Header().Set("ETag", etag(w.Revision))
	c.answer(restwire.WriteOf(w))
}

// notThere is the answer to a write of a key that does not exist.
func (c *call) notThere(key string, w kahuna.WriteResult) {
	p := restwire.NewProblem(restwire.CodeNotFound, "the key does not exist", "")
	p.Key, p.Revision = key, &w.Revision
	c.problem(p)
}

func (c *call) extend(space kahuna.Space, key string) {
	ttl, given, err := c.ttl()
	if err == nil && !given {
		err = errors.New("the header Kahuna-TTL is missing; PATCH changes the time to live")
	}
	if err == nil && c.conditional() {
		err = errors.New("PATCH takes no conditions; a script does: POST /v1/run")
	}
	if err != nil {
		c.badRequest(err.Error(), "")
		return
	}
	w, err := space.Extend(c.r.Context(), key, ttl)
	switch {
	case err != nil:
		c.fail(err)
	case !w.Done:
		c.notThere(key, w)
	default:
		c.wrote(w)
	}
}

func (c *call) conditional() bool {
	return c.header("If-Match") != "" || c.header("If-None-Match") != ""
}

func (c *call) delete(space kahuna.Space, key string) {
	exists, absent, revision, err := c.conditions()
	if err == nil && (absent || revision != nil && *revision < 0) {
		err = errors.New("DELETE of a key that must not exist makes no sense")
	}
	if err != nil {
		c.badRequest(err.Error(), "")
		return
	}
	if revision != nil {
		c.deleteAt(space, key, *revision)
		return
	}
	w, err := space.Delete(c.r.Context(), key)
	switch {
	case err != nil:
		c.fail(err)
	case !w.Done && exists:
		c.conditionFailed("If-Match does not hold: the key does not exist", key, w.Revision)
	case !w.Done:
		c.notThere(key, w)
	default:
		c.wrote(w)
	}
}

// A delete with a condition is a script: the store has no call for it.
const (
	deleteAtPersistent = `let v = get @key
if v == null || rev(v) != @revision then return [false, rev(v)] end
delete @key
return [true, rev(v) + 1]`
	deleteAtEphemeral = `let v = eget @key
if v == null || rev(v) != @revision then return [false, rev(v)] end
edelete @key
return [true, rev(v) + 1]`
)

func (c *call) deleteAt(space kahuna.Space, key string, revision int64) {
	source := deleteAtPersistent
	if space != kahuna.Space(c.h.store) {
		source = deleteAtEphemeral
	}
	res, err := c.h.store.Run(c.r.Context(), source, kahuna.Params{"key": key, "revision": revision}, nil)
	if err != nil {
		c.fail(err)
		return
	}
	if len(res.Entries) != 2 {
		c.fail(&kahuna.Error{Op: "delete", Key: key, Code: kahuna.CodeOutcomeUnknown, Outcome: kahuna.Unknown, Message: "the script of the delete answered in another form"})
		return
	}
	stands, _ := strconv.ParseInt(res.Entries[1].Value, 10, 64)
	if res.Entries[0].Value == "true" {
		c.wrote(kahuna.WriteResult{Done: true, Revision: stands})
		return
	}
	c.conditionFailed("If-Match does not hold", key, stands)
}
