package azblob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/orlop/orlop/internal/blob/azblob"
	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/testenv/aztest"
)

// noEnvironment keeps credentials of whoever runs the tests out of them.
func noEnvironment(t *testing.T) {
	for _, name := range []string{"AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"} {
		t.Setenv(name, "")
	}
}

// signature is one for all that a store does in a container.
func signature(t *testing.T, c aztest.Container) string {
	t.Helper()
	key, err := container.NewSharedKeyCredential(aztest.Account, aztest.Key)
	if err != nil {
		t.Fatal(err)
	}
	query, err := sas.BlobSignatureValues{
		ContainerName: c.Name, ExpiryTime: time.Now().UTC().Add(time.Hour), Permissions: "racwdl",
	}.SignWithSharedKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return query.Encode()
}

func connectionString(c aztest.Container) string {
	return "DefaultEndpointsProtocol=http;AccountName=" + aztest.Account + ";AccountKey=" + aztest.Key + ";BlobEndpoint=" + c.Endpoint + ";"
}

// TestCredentials: each kind is enough for all that a store does.
func TestCredentials(t *testing.T) {
	c := aztest.New(t)
	for name, set := range map[string]func(t *testing.T, o *azblob.Options){
		"Key":              func(_ *testing.T, o *azblob.Options) { o.Credentials.Key = aztest.Key },
		"KeyOfEnvironment": func(t *testing.T, _ *azblob.Options) { t.Setenv("AZURE_STORAGE_KEY", aztest.Key) },
		"SAS":              func(t *testing.T, o *azblob.Options) { o.Credentials.SAS = signature(t, c) },
		"SASWithMark":      func(t *testing.T, o *azblob.Options) { o.Credentials.SAS = "?" + signature(t, c) },
		"SASOfEnvironment": func(t *testing.T, _ *azblob.Options) { t.Setenv("AZURE_STORAGE_SAS_TOKEN", signature(t, c)) },
		"ConnectionString": func(_ *testing.T, o *azblob.Options) { o.Credentials.ConnectionString = connectionString(c) },
		"ConnectionAlone": func(_ *testing.T, o *azblob.Options) {
			o.Account, o.Endpoint, o.Credentials.ConnectionString = "", "", connectionString(c)
		},
		"ConnectionWithSAS": func(t *testing.T, o *azblob.Options) {
			o.Credentials.ConnectionString = "SharedAccessSignature=" + signature(t, c)
		},
		"StringOfEnvironent": func(t *testing.T, _ *azblob.Options) {
			t.Setenv("AZURE_STORAGE_CONNECTION_STRING", connectionString(c))
		},
	} {
		t.Run(name, func(t *testing.T) {
			noEnvironment(t)
			o := options(c)
			o.Credentials = azblob.Credentials{}
			set(t, &o)
			everything(t, open(t, o))
		})
	}
}

// everything does all that a store can be asked for.
func everything(t *testing.T, s *azblob.Store) {
	t.Helper()
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := use(t, s, "key"); err != nil {
		t.Error(err)
	}
	w, err := s.Create(t.Context(), "half")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "half"); err != nil {
		t.Error(err)
	}
	for info, err := range s.List(t.Context(), "") {
		t.Errorf("listed at the end: %+v, %v", info, err)
	}
}

// identified is a store that an identity opens, under the account's own name.
func identified(t *testing.T) *azblob.Store {
	t.Helper()
	server := aztest.Start(t, aztest.Options{Identities: true})
	o := options(server.Container(t))
	o.Endpoint = server.HostEndpoint()
	o.Credentials = azblob.Credentials{Token: aztest.Identity{}}
	s := open(t, o)
	s.Transport().TLSClientConfig.RootCAs = server.CAs
	s.Transport().DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Addr)
	}
	return s
}

func TestIdentity(t *testing.T) {
	everything(t, identified(t))
}

func TestURL(t *testing.T) {
	identity := identified(t)
	for name, c := range map[string]struct {
		store  *azblob.Store
		client *http.Client
	}{
		"Key":      {open(t, options(aztest.New(t))), http.DefaultClient},
		"Identity": {identity, &http.Client{Transport: identity.Transport()}},
	} {
		t.Run(name, func(t *testing.T) {
			content := blobtest.Content(1, 1000)
			blobtest.Put(t, c.store, "key", content)
			blobtest.Put(t, c.store, "other", content)
			at, err := c.store.URL(t.Context(), "key", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			code, got := ask(t, c.client, "GET", at)
			if code != 200 || !bytes.Equal(got, content) {
				t.Errorf("GET %s: %d, %d bytes", at, code, len(got))
			}
			code, got = ask(t, c.client, "GET", at, "Range", "bytes=10-19")
			if code != 206 || !bytes.Equal(got, content[10:20]) {
				t.Errorf("GET of a range: %d, %d bytes", code, len(got))
			}
			for what, request := range map[string][]string{
				"write":  {"PUT", at, "x-ms-blob-type", "BlockBlob"},
				"delete": {"DELETE", at},
				"other":  {"GET", strings.Replace(at, "key?", "other?", 1)},
				"bare":   {"GET", at[:strings.Index(at, "?")]},
			} {
				if code, _ := ask(t, c.client, request[0], request[1], request[2:]...); code != 403 && code != 404 {
					t.Errorf("%s by the URL: %d", what, code)
				}
			}
			old, err := c.store.URL(t.Context(), "key", -time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if code, _ := ask(t, c.client, "GET", old); code != 403 {
				t.Errorf("a URL that has expired: %d", code)
			}
			if !bytes.Equal(blobtest.Get(t, c.store, "key"), content) {
				t.Error("the object has changed")
			}
		})
	}
}

func ask(t *testing.T, client *http.Client, method, at string, header ...string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// TestPublicURL: URLs are for clients, who may know the store by another name.
func TestPublicURL(t *testing.T) {
	s := open(t, azblob.Options{
		Account: "myaccount", Container: "content", PublicEndpoint: "https://blobs.myregistry.example/", Credentials: azblob.Credentials{Key: aztest.Key},
	})
	at, err := s.URL(t.Context(), "key", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(at, "https://blobs.myregistry.example/content/key?") || !strings.Contains(at, "spr=https&") {
		t.Errorf("URL %s", at)
	}
}

func TestSASCannotSign(t *testing.T) {
	o := options(aztest.New(t))
	o.Credentials = azblob.Credentials{SAS: "sig=secret"}
	if _, err := open(t, o).URL(t.Context(), "key", time.Minute); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("URL: %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	noEnvironment(t)
	for name, o := range map[string]azblob.Options{
		"no container":      {Account: "a", Credentials: azblob.Credentials{Key: aztest.Key}},
		"no account":        {Container: "c", Credentials: azblob.Credentials{Key: aztest.Key}},
		"key":               {Account: "a", Container: "c", Credentials: azblob.Credentials{Key: "not base64!"}},
		"endpoint":          {Account: "a", Container: "c", Endpoint: "ftp://x", Credentials: azblob.Credentials{Key: aztest.Key}},
		"endpoint with SAS": {Account: "a", Container: "c", Endpoint: "https://x?sig=secret", Credentials: azblob.Credentials{Key: aztest.Key}},
		"connection string": {Account: "a", Container: "c", Credentials: azblob.Credentials{ConnectionString: "secret"}},
		"another's account": {Account: "a", Container: "c", Credentials: azblob.Credentials{ConnectionString: "AccountName=b;AccountKey=" + aztest.Key}},
		"public endpoint":   {Account: "a", Container: "c", PublicEndpoint: "blobs.example", Credentials: azblob.Credentials{Key: aztest.Key}},
	} {
		_, err := azblob.Open(t.Context(), o)
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), aztest.Key) {
			t.Errorf("%s: a secret in %v", name, err)
		}
	}
}

// TestPing says what is wrong and what to do, without secrets.
func TestPing(t *testing.T) {
	noEnvironment(t)
	c := aztest.New(t)
	o := options(c)
	if err := open(t, o).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]struct {
		change func(*azblob.Options)
		want   string
	}{
		"container": {func(o *azblob.Options) { o.Container = "absent" }, "create the container"},
		"key":       {func(o *azblob.Options) { o.Credentials.Key = "c2VjcmV0" }, "check the key"},
		"SAS":       {func(o *azblob.Options) { o.Credentials = azblob.Credentials{SAS: "sv=2024-01-01&sig=secret"} }, "check the key"},
		"network": {func(o *azblob.Options) {
			o.Endpoint, o.Attempts, o.Credentials = "http://127.0.0.1:1/x", 1, azblob.Credentials{SAS: "sig=secret"}
		}, "refused"},
	} {
		o := options(c)
		bad.change(&o)
		err := open(t, o).Ping(t.Context())
		if err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("wrong %s: %v, want %q in it", name, err, bad.want)
		} else if text := err.Error(); strings.Contains(text, "secret") || strings.Contains(text, "c2VjcmV0") || strings.Contains(text, "\n") {
			t.Errorf("wrong %s: a secret or a second line in %v", name, err)
		}
	}
}

// TestAbsentContainer: it is not that the objects are absent.
func TestAbsentContainer(t *testing.T) {
	o := options(aztest.New(t))
	o.Container = "absent"
	s := open(t, o)
	if _, err := s.Open(t.Context(), "key"); err == nil || strings.Contains(err.Error(), "no such object") {
		t.Errorf("open: %v", err)
	}
	if err := s.Delete(t.Context(), "key"); err == nil {
		t.Error("delete in no container is no error")
	}
}
