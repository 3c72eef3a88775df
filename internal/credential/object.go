package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// object is a JSON object that keeps the order of its members and the values
// that nobody changed: the file belongs to other programs too.
type object []member

type member struct {
	name  string
	value json.RawMessage
}

// get returns the value of a member, nil if it is absent. Of several with the
// same name the last counts, as in encoding/json.
func (o object) get(name string) json.RawMessage {
	for _, m := range slices.Backward(o) {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// set replaces a member or appends it.
func (o *object) set(name string, v any) error {
	raw, err := encode(v)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(*o, func(m member) bool { return m.name == name })
	if i < 0 {
		*o = append(*o, member{name, raw})
		return nil
	}
	(*o)[i].value = raw
	rest := slices.DeleteFunc((*o)[i+1:], func(m member) bool { return m.name == name })
	*o = (*o)[:i+1+len(rest)]
	return nil
}

// deleteFunc removes members by name and tells whether there were any.
func (o *object) deleteFunc(del func(name string) bool) bool {
	n := len(*o)
	*o = slices.DeleteFunc(*o, func(m member) bool { return del(m.name) })
	return len(*o) < n
}

// object returns the member name as an object, empty if it is absent or null.
func (o object) object(name string) (object, error) {
	var sub object
	if raw := o.get(name); raw != nil {
		if err := json.Unmarshal(raw, &sub); err != nil {
			return nil, err
		}
	}
	return sub, nil
}

// string returns the member name as a string, "" if it is anything else.
func (o object) string(name string) string {
	var s string
	if json.Unmarshal(o.get(name), &s) != nil {
		return ""
	}
	return s
}

// UnmarshalJSON implements json.Unmarshaler; raw is valid JSON.
func (o *object) UnmarshalJSON(raw []byte) error {
	*o = nil
	d := json.NewDecoder(bytes.NewReader(raw))
	switch t, err := d.Token(); {
	case err != nil || t == nil: // null
		return err
	case t != json.Delim('{'):
		return errors.New("not a JSON object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		m := member{name: name.(string)} // the grammar allows nothing else
		if err := d.Decode(&m.value); err != nil {
			return err
		}
		*o = append(*o, m)
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := encode(m.name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode is json.Marshal without the escapes for HTML, which would rewrite
// what other programs wrote.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
