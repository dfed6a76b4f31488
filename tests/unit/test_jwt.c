/* Tokens: which are genuine, which are none, and those that we sign. The other
 * side is OpenSSL itself, and the example of RFC 7515, A.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <sodium.h>

#include "base/mem.h"
#include "web/jwt.h"

#define PLAIN sodium_base64_VARIANT_URLSAFE_NO_PADDING

static EVP_PKEY *signer, *other, *rsa;
static struct jwk key; /* the public half of signer, kid "k1" */

/* -- making tokens ------------------------------------------------------- */

static void add(struct buf *out, const void *data, size_t len)
{
	size_t size = sodium_base64_encoded_len(len, PLAIN);

	sodium_bin2base64(buf_reserve(out, size), size, data, len, PLAIN);
	buf_commit(out, size - 1);
}

/* header.claims, to be signed. */
static void begin(struct buf *out, const char *header, const char *claims)
{
	buf_init(out, 64 * 1024);
	add(out, header, strlen(header));
	assert_int_equal(buf_append_char(out, '.'), 0);
	add(out, claims, strlen(claims));
}

static void point_of(EVP_PKEY *pkey, struct jwk *ret)
{
	unsigned char raw[65];
	size_t n;

	assert_int_equal(EVP_PKEY_get_octet_string_param(pkey,
			     OSSL_PKEY_PARAM_PUB_KEY, raw, sizeof(raw), &n),
	    1);
	assert_int_equal(n, sizeof(raw));
	memcpy(ret->x, raw + 1, 32);
	memcpy(ret->y, raw + 33, 32);
}

static void es256(EVP_PKEY *pkey, const struct buf *text, unsigned char raw[64])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char der[160];
	const unsigned char *at = der;
	size_t n = sizeof(der);
	ECDSA_SIG *sig;

	assert_int_equal(
	    EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, pkey), 1);
	assert_int_equal(EVP_DigestSign(md, der, &n,
			     (const unsigned char *)text->data, text->len),
	    1);
	sig = d2i_ECDSA_SIG(NULL, &at, (long)n);
	assert_non_null(sig);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32), 32);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(md);
}

static void end(struct buf *out, const void *signature, size_t len)
{
	assert_int_equal(buf_append_char(out, '.'), 0);
	add(out, signature, len);
}

static void make(
    struct buf *out, EVP_PKEY *pkey, const char *header, const char *claims)
{
	unsigned char raw[64];

	begin(out, header, claims);
	es256(pkey, out, raw);
	end(out, raw, sizeof(raw));
}

/* 1, 0; -1: no token at all. */
static int verdict(const char *token, const struct jwk *by)
{
	CLEANUP(jwt_fini) struct jwt t = {0};
	struct err err = ERR_INIT;
	int genuine;

	if (jwt_parse(token, &t, &err) < 0) {
		assert_int_equal(err.kind, ERR_AUTH);
		assert_string_equal(err.code, "jwt_malformed");
		return -1;
	}
	genuine = jwt_verify_es256(&t, by, &err);
	assert_true(genuine >= 0);
	return genuine;
}

#define HEADER "{\"typ\":\"x\",\"alg\":\"ES256\",\"kid\":\"k1\"}"
#define CLAIMS "{\"sub\":\"user:default/jane\",\"aud\":\"backstage\"}"

/* -- genuine ones -------------------------------------------------------- */

static void the_example_of_the_rfc(void **state)
{
	static const char token[] =
	    "eyJhbGciOiJFUzI1NiJ9"
	    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
	    "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
	    "pmWQxfKTUJqPP3-Kg6NU1Q";
	CLEANUP(jwt_fini) struct jwt t = {0};
	struct err err = ERR_INIT;
	struct jwk rfc;
	json_t *jwk = json_pack("{s:s,s:s,s:s,s:s,s:s}", "kty", "EC", "crv",
	    "P-256", "kid", "rfc", "x",
	    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y",
	    "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");

	(void)state;
	assert_int_equal(jwk_read(jwk, &rfc), 1);
	rfc.kid[0] = '\0'; /* the example has none */
	assert_int_equal(jwt_parse(token, &t, &err), 0);
	assert_string_equal(jwt_text(&t, "iss"), "joe");
	assert_int_equal(jwt_verify_es256(&t, &rfc, &err), 1);
	json_decref(jwk);
}

static void a_token_tells_what_it_holds(void **state)
{
	CLEANUP(buf_fini) struct buf token;
	CLEANUP(jwt_fini) struct jwt t = {0};
	struct err err = ERR_INIT;

	(void)state;
	make(&token, signer, HEADER, CLAIMS);
	assert_int_equal(jwt_parse(buf_str(&token), &t, &err), 0);
	assert_string_equal(t.typ, "x");
	assert_string_equal(t.alg, "ES256");
	assert_string_equal(t.kid, "k1");
	assert_string_equal(jwt_text(&t, "sub"), "user:default/jane");
	assert_null(jwt_text(&t, "iss"));
	assert_int_equal(jwt_verify_es256(&t, &key, &err), 1);
}

/* -- forged ones --------------------------------------------------------- */

static void any_other_letter_breaks_it(void **state)
{
	CLEANUP(buf_fini) struct buf token;

	(void)state;
	make(&token, signer, HEADER, CLAIMS);
	assert_int_equal(verdict(buf_str(&token), &key), 1);
	for (size_t i = 0; i < token.len; i++) {
		char was = token.data[i];

		token.data[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(verdict(token.data, &key), 1);
		token.data[i] = was;
	}
}

static void any_shorter_one_is_refused(void **state)
{
	CLEANUP(buf_fini) struct buf token;

	(void)state;
	make(&token, signer, HEADER, CLAIMS);
	for (size_t n = 0; n < token.len; n++) {
		CLEANUP(mem_free) char *head = mem_strndup(token.data, n);

		assert_int_not_equal(verdict(head, &key), 1);
	}
	assert_int_equal(buf_append_char(&token, 'A'), 0);
	assert_int_not_equal(verdict(token.data, &key), 1);
}

static void another_key_or_name_of_it(void **state)
{
	CLEANUP(buf_fini) struct buf token;
	CLEANUP(buf_fini) struct buf forged;
	struct jwk renamed = key;

	(void)state;
	make(&token, signer, HEADER, CLAIMS);
	make(&forged, other, HEADER, CLAIMS);
	assert_int_equal(verdict(forged.data, &key), 0);
	renamed.kid[1] = '2';
	assert_int_equal(verdict(token.data, &renamed), 0);
}

static void no_signature(void **state)
{
	static const char *const algs[] = {"none", "None", "NONE", "nOnE", ""};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
		CLEANUP(buf_fini) struct buf token;
		CLEANUP(mem_free)
		char *header =
		    mem_printf("{\"alg\":\"%s\",\"kid\":\"k1\"}", algs[i]);

		begin(&token, header, CLAIMS);
		end(&token, "", 0);
		assert_int_equal(verdict(token.data, &key), 0);
	}
}

/* The public key as the secret of an HMAC: readers that follow `alg` fall for
 * it. */
static void the_public_key_as_a_secret(void **state)
{
	CLEANUP(buf_fini) struct buf token;
	CLEANUP(buf_fini) struct buf right_alg;
	unsigned char mac[64] = {0};
	unsigned n = 0;

	(void)state;
	begin(&token, "{\"alg\":\"HS256\",\"kid\":\"k1\"}", CLAIMS);
	HMAC(EVP_sha256(), key.x, sizeof(key.x) + sizeof(key.y),
	    (const unsigned char *)token.data, token.len, mac, &n);
	assert_int_equal(n, 32);
	end(&token, mac, n);
	assert_int_equal(verdict(token.data, &key), 0);
	begin(&right_alg, HEADER, CLAIMS);
	end(&right_alg, mac, sizeof(mac));
	assert_int_equal(verdict(right_alg.data, &key), 0);
}

/* Rightly signed, but it says otherwise. */
static void another_algorithm_in_the_header(void **state)
{
	static const char *const algs[] = {
	    "\"ES384\"", "\"RS256\"", "\"es256\"", "\"ES256 \""};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
		CLEANUP(buf_fini) struct buf token;
		CLEANUP(mem_free)
		char *header =
		    mem_printf("{\"alg\":%s,\"kid\":\"k1\"}", algs[i]);

		make(&token, signer, header, CLAIMS);
		assert_int_equal(verdict(token.data, &key), 0);
	}
}

static void signatures_of_another_shape(void **state)
{
	static const unsigned char zeros[64], longer[65] = {1};
	CLEANUP(buf_fini) struct buf zero;
	CLEANUP(buf_fini) struct buf big;
	CLEANUP(buf_fini) struct buf der;
	unsigned char bytes[160];
	size_t n = sizeof(bytes);
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	(void)state;
	begin(&zero, HEADER, CLAIMS);
	end(&zero, zeros, sizeof(zeros));
	assert_int_equal(verdict(zero.data, &key), 0);
	begin(&big, HEADER, CLAIMS);
	end(&big, longer, sizeof(longer));
	assert_int_equal(verdict(big.data, &key), 0);
	/* True, but as ASN.1: not what a token has. */
	begin(&der, HEADER, CLAIMS);
	EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, signer);
	EVP_DigestSign(md, bytes, &n, (const unsigned char *)der.data, der.len);
	end(&der, bytes, n);
	assert_int_equal(verdict(der.data, &key), 0);
	EVP_MD_CTX_free(md);
}

static void a_key_that_is_on_no_curve(void **state)
{
	CLEANUP(buf_fini) struct buf token;
	struct jwk bad = key;

	(void)state;
	make(&token, signer, HEADER, CLAIMS);
	bad.y[31] ^= 1;
	assert_int_equal(verdict(token.data, &bad), 0);
	memset(bad.x, 0xff, sizeof(bad.x));
	assert_int_equal(verdict(token.data, &bad), 0);
	memset(bad.x, 0, sizeof(bad.x));
	memset(bad.y, 0, sizeof(bad.y));
	assert_int_equal(verdict(token.data, &bad), 0);
}

/* -- what is no token ---------------------------------------------------- */

static void texts_that_are_no_token(void **state)
{
	static const char *const texts[] = {"", ".", "..", "...", "a.b",
	    "e30.e30", "e30.e30.AA.AA", "e30.e30.AA==", "e30=.e30.AA",
	    "e30.e30.A", "e30.e30.AB" /* bits beyond its end */, "e31.e30.AA",
	    "W10.e30.AA", "e30.W10.AA", "e30.bnVsbA.AA", "e 30.e30.AA",
	    "e30.e30.A+", "e30.e30.A/", "\r\ne30.e30.AA", ".e30.AA", "e30..AA"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(verdict(texts[i], &key), -1);
}

static void headers_that_are_refused(void **state)
{
	static const char *const headers[] = {
	    "{\"alg\":\"ES256\",\"alg\":\"none\",\"kid\":\"k1\"}",
	    "{\"alg\":[\"ES256\"],\"kid\":\"k1\"}", "{\"alg\":null}",
	    "{\"alg\":\"ES256\",\"kid\":1}",
	    "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":{}}",
	    "{\"alg\":\"ES256\",\"kid\":\"k1\",\"crit\":[\"exp\"],\"exp\":1}",
	    "{\"alg\":\"ES256\",\"kid\":\"k1\\u0000\"}",
	    "{\"alg\":\"ES256\",\"kid\":\"k1\"} {}",
	    "{\"alg\":\"ES256\",\"kid\":\"\xff\"}",
	    "{\"a\":[[[[[[[[[[1]]]]]]]]]],\"alg\":\"ES256\",\"kid\":\"k1\"}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		CLEANUP(buf_fini) struct buf token;

		make(&token, signer, headers[i], CLAIMS);
		assert_int_equal(verdict(token.data, &key), -1);
	}
}

static void a_token_has_a_bound(void **state)
{
	CLEANUP(mem_free) char *claims = mem_alloc(JWT_BYTES_MAX);
	CLEANUP(buf_fini) struct buf fits;
	CLEANUP(buf_fini) struct buf beyond;

	(void)state;
	memset(claims, ' ', JWT_BYTES_MAX);
	claims[0] = '{';
	memcpy(claims + 11000, "}", 2);
	make(&fits, signer, HEADER, claims);
	assert_int_equal(verdict(fits.data, &key), 1);
	memset(claims + 11000, ' ', 2);
	memcpy(claims + 13000, "}", 2);
	make(&beyond, signer, HEADER, claims);
	assert_true(beyond.len > JWT_BYTES_MAX);
	assert_int_equal(verdict(beyond.data, &key), -1);
}

/* -- keys of a JWKS ------------------------------------------------------ */

#define XY                                                                     \
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","               \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""

#define SHORT "\"x\":\"AA\",\"y\":\"AA\""

static int read_key(const char *text)
{
	json_t *jwk = json_loads(text, JSON_DECODE_ANY, NULL);
	struct jwk made;
	int found;

	assert_non_null(jwk);
	found = jwk_read(jwk, &made);
	json_decref(jwk);
	return found;
}

static void keys_for_something_else(void **state)
{
	static const char *const texts[] = {"[]", "{}", "\"k\"",
	    "{\"kty\":\"EC\",\"crv\":\"P-256\"," XY "}",
	    "{\"kid\":\"\",\"kty\":\"EC\",\"crv\":\"P-256\"," XY "}",
	    "{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-384\"," XY "}",
	    "{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"secp256k1\"," XY "}",
	    "{\"kid\":\"k\",\"kty\":\"OKP\",\"crv\":\"P-256\"," XY "}",
	    "{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":"
	    "\"enc\"," XY "}",
	    "{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":"
	    "\"ES384\"," XY "}",
	    "{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\"," SHORT "}",
	    "{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":1,\"y\":2}",
	    "{\"kid\":\"k\",\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}"};

	(void)state;
	assert_int_equal(
	    read_key("{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\"," XY "}"),
	    1);
	assert_int_equal(
	    read_key("{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\","
		     "\"use\":\"sig\",\"alg\":\"ES256\"," XY "}"),
	    1);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(read_key(texts[i]), 0);
}

/* -- claims -------------------------------------------------------------- */

static void claims_of(const char *text, struct jwt *ret)
{
	CLEANUP(buf_fini) struct buf token;
	struct err err = ERR_INIT;

	begin(&token, HEADER, text);
	end(&token, "x", 1);
	assert_int_equal(jwt_parse(token.data, ret, &err), 0);
	ret->text = NULL;
}

static void whom_it_is_for(void **state)
{
	static const struct {
		const char *claims;
		bool is;
	} cases[] = {{"{\"aud\":\"runner\"}", true},
	    {"{\"aud\":[\"a\",\"runner\"]}", true}, {"{\"aud\":[1,{}]}", false},
	    {"{\"aud\":\"runner2\"}", false}, {"{\"aud\":\"\"}", false},
	    {"{\"aud\":{\"runner\":1}}", false}, {"{}", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(jwt_fini) struct jwt t = {0};

		claims_of(cases[i].claims, &t);
		assert_int_equal(jwt_is_for(&t, "runner"), cases[i].is);
	}
}

static void when_it_is_good(void **state)
{
	static const struct {
		const char *claims;
		bool is;
	} cases[] = {{"{\"iat\":1000,\"exp\":2000}", true},
	    {"{\"iat\":1000.5,\"exp\":2e3}", true},
	    {"{\"iat\":1510,\"exp\":2000}", true},
	    {"{\"iat\":1511,\"exp\":2000}", false},
	    {"{\"iat\":1000,\"exp\":1491}", true},
	    {"{\"iat\":1000,\"exp\":1490}", false},
	    {"{\"iat\":1000,\"nbf\":1510,\"exp\":2000}", true},
	    {"{\"iat\":1000,\"nbf\":1511,\"exp\":2000}", false},
	    {"{\"iat\":1000}", false}, {"{\"exp\":2000}", false},
	    {"{\"iat\":\"1000\",\"exp\":2000}", false},
	    {"{\"iat\":1000,\"exp\":\"2000\"}", false},
	    {"{\"iat\":-1,\"exp\":2000}", false},
	    {"{\"iat\":1000,\"exp\":1e300}", false},
	    {"{\"iat\":1000,\"exp\":9223372036854775807}", false},
	    {"{\"iat\":1000,\"nbf\":true,\"exp\":2000}", false},
	    {"{\"iat\":1000,\"exp\":null}", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(jwt_fini) struct jwt t = {0};
		int64_t exp = -1;

		claims_of(cases[i].claims, &t);
		if (jwt_is_current(&t, 1500, 10, &exp) != cases[i].is)
			fail_msg("%s", cases[i].claims);
		if (cases[i].is)
			assert_true(exp == 2000 || exp == 1491);
	}
}

/* -- signing ------------------------------------------------------------- */

static struct secret *pem_of(EVP_PKEY *pkey, const char *password)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct secret *made;
	char *text;
	long n;

	assert_int_equal(
	    PEM_write_bio_PrivateKey(bio, pkey,
		password != NULL ? EVP_aes_128_cbc() : NULL,
		(const unsigned char *)password,
		password != NULL ? (int)strlen(password) : 0, NULL, NULL),
	    1);
	n = BIO_get_mem_data(bio, &text);
	made = secret_new(text, (size_t)n);
	BIO_free(bio);
	return made;
}

static void what_we_sign_others_believe(void **state)
{
	CLEANUP(secret_free) struct secret *pem = pem_of(rsa, NULL);
	CLEANUP(jwt_key_free) struct jwt_key *k = NULL;
	CLEANUP(buf_fini) struct buf token = {.max = 8192};
	CLEANUP(jwt_fini) struct jwt t = {0};
	struct err err = ERR_INIT;
	json_t *claims = json_pack("{s:i,s:s}", "iat", 7, "iss", "12345");
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	(void)state;
	assert_int_equal(jwt_key_open(&k, pem, &err), 0);
	assert_int_equal(jwt_sign_rs256(k, claims, &token, &err), 0);
	assert_int_equal(jwt_parse(token.data, &t, &err), 0);
	assert_string_equal(t.alg, "RS256");
	assert_string_equal(t.typ, "JWT");
	assert_true(json_equal(t.claims, claims));
	EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, rsa);
	assert_int_equal(EVP_DigestVerify(md, t.signature, t.signature_len,
			     (const unsigned char *)t.text, t.signed_len),
	    1);
	/* And it is none of a portal's. */
	assert_int_equal(jwt_verify_es256(&t, &key, &err), 0);
	EVP_MD_CTX_free(md);
	json_decref(claims);
}

static void refused_key(struct secret *pem, const char *word)
{
	struct jwt_key *k = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(jwt_key_open(&k, pem, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err.code, "jwt_key");
	assert_non_null(strstr(err.msg, word));
	secret_free(pem);
}

static void keys_that_cannot_sign(void **state)
{
	EVP_PKEY *small = EVP_RSA_gen(1024);

	(void)state;
	refused_key(secret_new("", 0), "no private key");
	refused_key(secret_new("nonsense", 8), "no private key");
	refused_key(pem_of(rsa, "password"), "without a password");
	refused_key(pem_of(signer, NULL), "RSA");
	refused_key(pem_of(small, NULL), "2048");
	EVP_PKEY_free(small);
}

/* -- all of them --------------------------------------------------------- */

static int make_keys(void **state)
{
	(void)state;
	signer = EVP_EC_gen("P-256");
	other = EVP_EC_gen("P-256");
	rsa = EVP_RSA_gen(2048);
	point_of(signer, &key);
	snprintf(key.kid, sizeof(key.kid), "k1");
	return 0;
}

static int free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(signer);
	EVP_PKEY_free(other);
	EVP_PKEY_free(rsa);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_example_of_the_rfc),
	    cmocka_unit_test(a_token_tells_what_it_holds),
	    cmocka_unit_test(any_other_letter_breaks_it),
	    cmocka_unit_test(any_shorter_one_is_refused),
	    cmocka_unit_test(another_key_or_name_of_it),
	    cmocka_unit_test(no_signature),
	    cmocka_unit_test(the_public_key_as_a_secret),
	    cmocka_unit_test(another_algorithm_in_the_header),
	    cmocka_unit_test(signatures_of_another_shape),
	    cmocka_unit_test(a_key_that_is_on_no_curve),
	    cmocka_unit_test(texts_that_are_no_token),
	    cmocka_unit_test(headers_that_are_refused),
	    cmocka_unit_test(a_token_has_a_bound),
	    cmocka_unit_test(keys_for_something_else),
	    cmocka_unit_test(whom_it_is_for),
	    cmocka_unit_test(when_it_is_good),
	    cmocka_unit_test(what_we_sign_others_believe),
	    cmocka_unit_test(keys_that_cannot_sign),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
