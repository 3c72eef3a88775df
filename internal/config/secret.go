package config

import (
	"fmt"
	"log/slog"
)

// hidden stands for a secret wherever one would be printed.
const hidden = "(hidden)"

// Secret is a text that never prints itself: not by fmt, not in a log, not in
// JSON. Convert it to string to use it.
type Secret string

// String returns a fixed text.
func (Secret) String() string { return hidden }

// Format writes a fixed text for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue returns a fixed text.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns a fixed text.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
