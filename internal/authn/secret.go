package authn

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/argon2"

	"github.com/orlop/orlop/internal/meta"
)

// Hashes are stored as text that begins with what made them.
var (
	sha256Mark = []byte("$sha256$")
	argon2Mark = []byte("$argon2id$")
)

// cost is what one argon2id hash of a human's password costs: 12 MiB and three
// passes, about 20 ms.
type cost struct {
	time, memory uint32 // passes, KiB
	threads      uint8
}

var humanCost = cost{time: 3, memory: 12 << 10, threads: 1}

const (
	saltSize = 16
	hashSize = 32
)

// generate returns a new random secret of at least 256 bits: letters and digits
// only, so that it survives every shell.
func generate() string { return rand.Text() + rand.Text() }

// hashGenerated hashes a generated secret. It cannot be guessed, so that one
// fast hash is enough.
func hashGenerated(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return hex.AppendEncode(bytes.Clone(sha256Mark), sum[:])
}

// hashHuman hashes a password that a human may have chosen.
func hashHuman(password string) []byte {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	c := humanCost
	sum := argon2.IDKey([]byte(password), salt, c.time, c.memory, c.threads, hashSize)
	enc := base64.RawStdEncoding
	return fmt.Appendf(nil, "%sv=%d$m=%d,t=%d,p=%d$%s$%s", argon2Mark, argon2.Version,
		c.memory, c.time, c.threads, enc.EncodeToString(salt), enc.EncodeToString(sum))
}

// matchGenerated compares in constant time.
func matchGenerated(stored []byte, secret string) bool {
	return subtle.ConstantTimeCompare(stored, hashGenerated(secret)) == 1
}

// matchHuman hashes the password as the stored hash was made, and compares.
func matchHuman(stored []byte, password string) bool {
	salt, sum, c, err := parseArgon2(stored)
	if err != nil {
		return false
	}
	got := argon2.IDKey([]byte(password), salt, c.time, c.memory, c.threads, uint32(len(sum)))
	return subtle.ConstantTimeCompare(sum, got) == 1
}

// matchNothing costs what matchHuman costs.
func matchNothing(password string) {
	var salt [saltSize]byte
	c := humanCost
	argon2.IDKey([]byte(password), salt[:], c.time, c.memory, c.threads, hashSize)
}

// parseArgon2 reads a hash in the form of the PHC string format.
func parseArgon2(stored []byte) (salt, sum []byte, c cost, err error) {
	var version int
	fields := bytes.Split(bytes.TrimPrefix(stored, argon2Mark), []byte("$"))
	if len(fields) != 4 {
		return nil, nil, c, fmt.Errorf("stored password hash has %d fields", len(fields))
	}
	if _, err = fmt.Sscanf(string(fields[0]), "v=%d", &version); err != nil || version != argon2.Version {
		return nil, nil, c, fmt.Errorf("stored password hash has version %q", fields[0])
	}
	if _, err = fmt.Sscanf(string(fields[1]), "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.threads); err != nil {
		return nil, nil, c, fmt.Errorf("stored password hash: %w", err)
	}
	if c.time == 0 || c.threads == 0 || c.memory > 1<<20 {
		return nil, nil, c, fmt.Errorf("stored password hash has parameters %q", fields[1])
	}
	if salt, err = base64.RawStdEncoding.DecodeString(string(fields[2])); err != nil {
		return nil, nil, c, fmt.Errorf("stored password hash: %w", err)
	}
	if sum, err = base64.RawStdEncoding.DecodeString(string(fields[3])); err != nil || len(sum) < 16 {
		return nil, nil, c, fmt.Errorf("stored password hash is too short")
	}
	return salt, sum, c, nil
}

// newSecret is a secret of a principal under a hash, without an end.
func newSecret(name string, hash []byte, now time.Time) meta.Secret {
	return meta.Secret{ID: uuid.NewString(), Name: name, Hash: hash, Created: now}
}
