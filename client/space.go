package client

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kahuna"
	"kahuna/internal/restwire"
)

// space is the kahuna.Space of a Client.
type space struct {
	c         *Client
	ephemeral bool
}

// request returns the request for a key. Every slash and point of the key is
// encoded, so that nothing on the way takes it for a path.
func (s *space) request(op, method, key string) *request {
	path := "/v1/keys/" + strings.ReplaceAll(url.PathEscape(key), ".", "%2E")
	if s.ephemeral {
		path += "?space=ephemeral"
	}
	return &request{op: op, key: key, method: method, path: path, header: http.Header{}}
}

// Get implements kahuna.Space.
func (s *space) Get(ctx context.Context, key string) (e kahuna.Entry, ok bool, err error) {
	r := s.request("get", "GET", key)
	r.reads, r.safe = true, true
	a, err := s.c.send(ctx, r)
	if err != nil || a.problem != nil {
		return kahuna.Entry{Key: key, Revision: -1}, false, err
	}
	e = kahuna.Entry{Key: key, Kind: kahuna.KindString, Value: string(a.body)}
	if e.Revision, err = revisionOf(a.header); err != nil {
		return kahuna.Entry{Key: key, Revision: -1}, false, r.unreadable(err)
	}
	e.Modified, e.Expires = timeOf(a.header, "Kahuna-Modified-Ms"), timeOf(a.header, "Kahuna-Expires-Ms")
	return e, true, nil
}

func revisionOf(h http.Header) (int64, error) {
	return strconv.ParseInt(strings.Trim(strings.TrimPrefix(h.Get("ETag"), "W/"), `"`), 10, 64)
}

func timeOf(h http.Header, name string) time.Time {
	ms, err := strconv.ParseInt(h.Get(name), 10, 64)
	if err != nil || ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Exists implements kahuna.Space.
func (s *space) Exists(ctx context.Context, key string) (bool, error) {
	r := s.request("get", "HEAD", key)
	r.reads, r.safe = true, true
	a, err := s.c.send(ctx, r)
	return err == nil && a.problem == nil, err
}

// Set implements kahuna.Space.
func (s *space) Set(ctx context.Context, key, value string, o *kahuna.SetOptions) (kahuna.WriteResult, error) {
	r := s.request("set", "PUT", key)
	r.body, r.mediaType = []byte(value), "application/octet-stream"
	if o == nil {
		return s.write(ctx, r)
	}
	if err := checkSet(key, o); err != nil {
		return kahuna.WriteResult{}, err
	}
	if o.Equals != nil || o.XX && o.Revision != nil {
		return s.setByScript(ctx, key, value, o)
	}
	setHeaders(r.header, o)
	return s.write(ctx, r)
}

func checkSet(key string, o *kahuna.SetOptions) error {
	e := &kahuna.Error{Op: "set", Key: key, Code: kahuna.CodeBadRequest}
	switch {
	case o.TTL < 0:
		e.Message, e.Hint = "TTL must not be negative, got "+o.TTL.String(), "0 is for ever; Delete ends a key now"
	case o.NX && o.XX:
		e.Message = "NX contradicts XX"
	default:
		return nil
	}
	return e
}

func setHeaders(h http.Header, o *kahuna.SetOptions) {
	if o.NX {
		h.Set("If-None-Match", "*")
	}
	if o.XX {
		h.Set("If-Match", "*")
	}
	if o.Revision != nil {
		h.Set("If-Match", `"`+strconv.FormatInt(*o.Revision, 10)+`"`)
	}
	if o.TTL > 0 {
		h.Set("Kahuna-TTL", o.TTL.String())
	}
	if o.KeepTTL {
		h.Set("Kahuna-Keep-TTL", "true")
	}
	if o.NoHistory {
		h.Set("Kahuna-No-History", "true")
	}
}

// setByScript sets a key under conditions for which there are no headers.
func (s *space) setByScript(ctx context.Context, key, value string, o *kahuna.SetOptions) (kahuna.WriteResult, error) {
	if o.KeepTTL && o.TTL > 0 {
		return kahuna.WriteResult{}, &kahuna.Error{Op: "set", Key: key, Code: kahuna.CodeBadRequest,
			Message: "over REST, Equals and XX with Revision do not go with KeepTTL and TTL together", Hint: "leave one of them out, or use a script"}
	}
	source, params := "set @key @value", kahuna.Params{"key": key, "value": value}
	if s.ephemeral {
		source = "eset @key @value"
	}
	clause := func(on bool, text, name string, x any) {
		if on {
			source += " " + text
			if name != "" {
				source += " @" + name
				params[name] = x
			}
		}
	}
	clause(o.NX, "nx", "", nil)
	clause(o.XX, "xx", "", nil)
	if o.Equals != nil {
		clause(true, "cmp", "equals", *o.Equals)
	}
	if o.Revision != nil {
		clause(true, "cmprev", "revision", *o.Revision)
	}
	clause(o.TTL > 0, "ex", "ttl", (o.TTL + time.Millisecond - 1).Milliseconds())
	clause(o.KeepTTL, "keepttl", "", nil)
	clause(o.NoHistory, "norev", "", nil)
	res, err := s.c.Run(ctx, source, params, nil)
	if err != nil {
		return kahuna.WriteResult{}, named(err, "set", key)
	}
	w := kahuna.WriteResult{Done: res.Type == kahuna.TypeSet, Revision: res.Revision()}
	if w.Done {
		w.Time = res.First().Modified
	}
	return w, nil
}

// named returns the error of a script as that of a call.
func named(err error, op, key string) error {
	var e *kahuna.Error
	if !errors.As(err, &e) {
		return err
	}
	n := *e
	n.Op, n.Key, n.Line, n.Column, n.Source = op, key, 0, 0, ""
	if n.Code == kahuna.CodeBadParameter { // all others are right
		n.Code = kahuna.CodeBadKey
	}
	return &n
}

// Delete implements kahuna.Space.
func (s *space) Delete(ctx context.Context, key string) (kahuna.WriteResult, error) {
	return s.write(ctx, s.request("delete", "DELETE", key))
}

// Extend implements kahuna.Space.
func (s *space) Extend(ctx context.Context, key string, ttl time.Duration) (kahuna.WriteResult, error) {
	r := s.request("extend", "PATCH", key)
	if ttl < 0 {
		return kahuna.WriteResult{}, &kahuna.Error{Op: "extend", Key: key, Code: kahuna.CodeBadRequest,
			Message: "the time to live must not be negative, got " + ttl.String(), Hint: "0 is for ever; Delete ends a key now"}
	}
	r.header.Set("Kahuna-TTL", ttl.String())
	return s.write(ctx, r)
}

func (s *space) write(ctx context.Context, r *request) (kahuna.WriteResult, error) {
	a, err := s.c.send(ctx, r)
	if err != nil {
		return kahuna.WriteResult{}, err
	}
	if a.problem != nil {
		w := kahuna.WriteResult{Revision: -1}
		if a.problem.Revision != nil {
			w.Revision = *a.problem.Revision
		}
		return w, nil
	}
	var w restwire.Write
	if err := restwire.Decode(a.body, &w); err != nil {
		return kahuna.WriteResult{}, r.unreadable(err)
	}
	return w.Kahuna(), nil
}

// Bucket implements kahuna.Space.
func (s *space) Bucket(ctx context.Context, bucket string, o *kahuna.RangeOptions) iter.Seq2[kahuna.Entry, error] {
	return s.rows(ctx, "bucket", url.Values{"bucket": {bucket}}, o)
}

// Prefix implements kahuna.Space.
func (s *space) Prefix(ctx context.Context, prefix string, o *kahuna.RangeOptions) iter.Seq2[kahuna.Entry, error] {
	return s.rows(ctx, "prefix", url.Values{"prefix": {prefix}}, o)
}

// Range implements kahuna.Space.
func (s *space) Range(ctx context.Context, start, end string, o *kahuna.RangeOptions) iter.Seq2[kahuna.Entry, error] {
	return s.rows(ctx, "range", url.Values{"start": {start}, "end": {end}}, o)
}

// pageKeys is how many keys are asked for at once.
const pageKeys = 500

// rows reads pages as the loop asks for them.
func (s *space) rows(ctx context.Context, op string, q url.Values, o *kahuna.RangeOptions) iter.Seq2[kahuna.Entry, error] {
	var opts kahuna.RangeOptions
	if o != nil {
		opts = *o
	}
	return func(yield func(kahuna.Entry, error) bool) {
		if opts.Limit < 0 {
			yield(kahuna.Entry{}, &kahuna.Error{Op: op, Code: kahuna.CodeBadRequest, Message: "Limit must not be negative, got " + strconv.Itoa(opts.Limit), Hint: "0 is no bound"})
			return
		}
		after, left := opts.After, opts.Limit
		for {
			page, err := s.page(ctx, op, q, &opts, after, left)
			if err != nil {
				yield(kahuna.Entry{}, err)
				return
			}
			for i := range page.Entries {
				e, err := page.Entries[i].Kahuna()
				if err != nil {
					yield(kahuna.Entry{}, &kahuna.Error{Op: op, Code: kahuna.CodeRetry, Message: err.Error()})
					return
				}
				if !yield(e, nil) {
					return
				}
			}
			left -= len(page.Entries)
			if page.Next == "" || opts.Limit > 0 && left <= 0 {
				return
			}
			after = page.Next
		}
	}
}

func (s *space) page(ctx context.Context, op string, where url.Values, o *kahuna.RangeOptions, after string, left int) (*restwire.Page, error) {
	limit := pageKeys
	if o.Limit > 0 {
		limit = min(limit, left)
	}
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	for name, values := range where {
		q[name] = values
	}
	if after != "" {
		q.Set("after", after)
	}
	if o.Desc {
		q.Set("desc", "true")
	}
	if !o.AsOf.IsZero() {
		q.Set("asOfMs", strconv.FormatInt(o.AsOf.UnixMilli(), 10))
	}
	if s.ephemeral {
		q.Set("space", "ephemeral")
	}
	r := &request{op: op, method: "GET", path: "/v1/keys?" + q.Encode(), reads: true, safe: true}
	a, err := s.c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	var page restwire.Page
	if err := restwire.Decode(a.body, &page); err != nil {
		return nil, &kahuna.Error{Op: op, Code: kahuna.CodeRetry, Message: "the answer of the server cannot be read: " + err.Error(), Err: err}
	}
	return &page, nil
}
