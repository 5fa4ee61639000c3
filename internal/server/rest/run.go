package rest

import (
	"mime"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"kahuna"
	"kahuna/internal/restwire"
)

// run answers POST /v1/run.
func (c *call) run() {
	c.name = "run"
	mediaType, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	var req *restwire.Run
	switch mediaType {
	case "application/json":
		if !c.known() {
			return
		}
		body, ok := c.body()
		if !ok {
			return
		}
		if req, err = restwire.DecodeRun(body); err != nil {
			c.badRequest("the JSON of the request is wrong: "+err.Error(), "")
			return
		}
	// What curl says of --data and --data-binary is that it is a form.
	case "", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream":
		if !c.known("p.", "timeout", "admissionWait", "priority") {
			return
		}
		body, ok := c.body()
		if !ok {
			return
		}
		req = c.plain(string(body))
	default:
		c.problem(restwire.NewProblem(restwire.CodeMediaType, "a script is not sent as "+mediaType,
			"send its text as text/plain, or a JSON object as application/json"))
		return
	}
	if key := c.r.Header.Get("Idempotency-Key"); key != "" {
		if req.IdempotencyKey != "" && req.IdempotencyKey != key {
			c.badRequest("the header Idempotency-Key and the member idempotencyKey differ", "send one of them")
			return
		}
		req.IdempotencyKey = key
	}
	params, o, code, err := req.Decode()
	if err != nil {
		c.problem(restwire.NewProblem(string(code), err.Error(), ""))
		return
	}
	program, err := c.h.program(req)
	if err != nil {
		c.fail(err)
		return
	}
	var res *kahuna.Result
	if program == nil {
		res, err = c.h.store.Run(c.r.Context(), req.Script, params, o)
	} else {
		res, err = program.Run(c.r.Context(), params, o)
	}
	if err != nil {
		c.fail(err)
		return
	}
	size := 0
	for i := range res.Entries {
		size += len(res.Entries[i].Value)
	}
	if size > answerWhole {
		c.stream(restwire.ResultOf(res))
		return
	}
	c.answer(restwire.ResultOf(res))
}

// program returns the script of a request that has a hash, nil for one without.
func (h *Handler) program(req *restwire.Run) (kahuna.Program, error) {
	if req.Hash == "" {
		return nil, nil
	}
	if p := h.programs.Get(req.Hash); p != nil {
		return p, nil
	}
	if req.Script == "" {
		return nil, &kahuna.Error{Op: "run", Code: restwire.CodeNoScript, Message: "no script with this hash is kept", Hint: "send its text with the hash once more"}
	}
	p, err := h.store.Compile(req.Script)
	if err != nil {
		return nil, err
	}
	h.programs.Keep(req.Hash, p)
	return p, nil
}

// plain returns the request of a script sent as text. Its parameters are those
// of the query, p.item=x, and are texts.
func (c *call) plain(source string) *restwire.Run {
	req := &restwire.Run{Script: source, Timeout: c.query.Get("timeout"), AdmissionWait: c.query.Get("admissionWait"),
		Priority: c.query.Get("priority"), Params: map[string]jsontext.Value{}, ParamsBase64: map[string]string{}}
	for name, values := range c.query {
		if name, ok := strings.CutPrefix(name, "p."); ok {
			req.SetText(name, values[0])
		}
	}
	return req
}
