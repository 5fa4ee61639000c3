package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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
	r.reads, r.safe, r.space = true, true, s
	a, err := s.c.send(ctx, r)
	if err != nil || a.problem != nil {
		return kahuna.Entry{Key: key, Revision: -1}, false, err
	}
	if a.entry != nil {
		return *a.entry, a.entry.Revision >= 0, nil
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
	if err != nil || a.problem != nil {
		return false, err
	}
	if _, err := revisionOf(a.header); err != nil {
		return false, r.unreadable(err)
	}
	return true, nil
}

// Set implements kahuna.Space.
func (s *space) Set(ctx context.Context, key, value string, o *kahuna.SetOptions) (kahuna.WriteResult, error) {
	if o == nil {
		o = &kahuna.SetOptions{}
	}
	if err := checkSet(key, o); err != nil {
		return kahuna.WriteResult{}, err
	}
	if s.keyed() || o.Equals != nil || o.XX && o.Revision != nil {
		return s.setByScript(ctx, key, value, o)
	}
	r := s.request("set", "PUT", key)
	r.body, r.mediaType = []byte(value), "application/octet-stream"
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

// Delete implements kahuna.Space.
func (s *space) Delete(ctx context.Context, key string) (kahuna.WriteResult, error) {
	if s.keyed() {
		return s.byScript(ctx, "delete", key, "delete @key", kahuna.Params{})
	}
	return s.write(ctx, s.request("delete", "DELETE", key))
}

func checkLife(key string, ttl time.Duration) error {
	if ttl >= 0 {
		return nil
	}
	return &kahuna.Error{Op: "extend", Key: key, Code: kahuna.CodeBadRequest,
		Message: "the time to live must not be negative, got " + ttl.String(), Hint: "0 is for ever; Delete ends a key now"}
}

// validKey reports whether a text can be a key, its length aside.
func validKey(key string) bool {
	return key != "" && utf8.ValidString(key) && strings.IndexByte(key, 0) < 0
}

// Extend implements kahuna.Space.
func (s *space) Extend(ctx context.Context, key string, ttl time.Duration) (kahuna.WriteResult, error) {
	if err := checkLife(key, ttl); err != nil {
		return kahuna.WriteResult{}, err
	}
	if s.keyed() {
		return s.extendByScript(ctx, key, ttl)
	}
	r := s.request("extend", "PATCH", key)
	r.header.Set("Kahuna-TTL", ttl.String())
	return s.write(ctx, r)
}

func (s *space) write(ctx context.Context, r *request) (kahuna.WriteResult, error) {
	a, err := s.c.send(ctx, r)
	if err != nil {
		return failedWrite(err), err
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
	return pages(op, o, func(opts *kahuna.RangeOptions, after string, limit int) (*restwire.Page, error) {
		return s.page(ctx, op, q, opts, after, limit)
	})
}

// pages reads pages, of at most limit keys behind after, as the loop asks for
// them.
func pages(op string, o *kahuna.RangeOptions, read func(o *kahuna.RangeOptions, after string, limit int) (*restwire.Page, error)) iter.Seq2[kahuna.Entry, error] {
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
			limit := pageKeys
			if opts.Limit > 0 {
				limit = min(limit, left)
			}
			page, err := read(&opts, after, limit)
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

func (s *space) page(ctx context.Context, op string, where url.Values, o *kahuna.RangeOptions, after string, limit int) (*restwire.Page, error) {
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
