package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"kahuna"
	"kahuna/script"
)

// parseParams reads the -p flags: name=text, name=@file, name=@@text, and
// name:=JSON.
func parseParams(ctx context.Context, flags []string) (kahuna.Params, error) {
	params := kahuna.Params{}
	for _, f := range flags {
		name, value, found := strings.Cut(f, "=")
		name, typed := strings.CutSuffix(name, ":")
		name = strings.TrimPrefix(name, "@")
		if !found || name == "" {
			return nil, fmt.Errorf("-p %s: write name=value, name:=JSON or name=@file", f)
		}
		if !isParamName(name) {
			return nil, fmt.Errorf("-p %s: a parameter's name has letters, digits and _ only, got %q", f, name)
		}
		if _, twice := params[name]; twice {
			return nil, fmt.Errorf("-p %s: the parameter is given twice", name)
		}
		var v any = value
		var err error
		switch {
		case typed:
			v, err = parseJSON(value)
		case strings.HasPrefix(value, "@@"):
			v = value[1:]
		case strings.HasPrefix(value, "@"):
			v, err = readText(ctx, value[1:])
		}
		if err != nil {
			return nil, fmt.Errorf("-p %s: %w", name, err)
		}
		params[name] = v
	}
	return params, nil
}

// isParamName reports whether a script can ask for @name.
func isParamName(name string) bool {
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// readText reads a file that is to be one value, byte for byte.
func readText(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", errors.New("name a file after @, or write @@ for a text that begins with @")
	}
	limit := script.DefaultLimits().ValueBytes
	text, err := unlessDone(ctx, func() (string, error) { return readFile(name, limit) })
	if err != nil {
		return "", fmt.Errorf("%w; write @@ for a text that begins with @", err)
	}
	if len(text) > limit {
		return "", fmt.Errorf("%s has more than %d bytes, the limit of a value", name, limit)
	}
	return text, nil
}

// parseJSON reads a typed value. Whole numbers in the range of int64 become
// int64, others float64.
func parseJSON(text string) (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("write JSON after :=, such as 7, null or [1,2]; for an empty text write name=")
	}
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("%q is not JSON (%v); for a text write name=text", text, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%q is more than one JSON value", text)
	}
	return plainJSON(v)
}

func plainJSON(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		return nil, fmt.Errorf("the language has no objects; send the JSON as a text: name=%s", "'{...}'")
	case []any:
		for i := range v {
			e, err := plainJSON(v[i])
			if err != nil {
				return nil, err
			}
			v[i] = e
		}
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("the number %s is out of range", v)
		}
		if !strings.ContainsAny(v.String(), ".eE") {
			return nil, fmt.Errorf("the integer %s is outside int64", v)
		}
		return f, nil
	}
	return v, nil
}
