// An issuer of tokens on loopback: `oidc-provider`, a certified implementation of OpenID Connect.
//
//   node issuer.mjs PORT ALGORITHM:KID...
//
// Makes a key for each algorithm and serves them. Clients `ml` and `staff` get tokens by the client credentials grant; `resource` says what
// for: `urn:ALGORITHM:AUDIENCE`.
import crypto from 'node:crypto';
import { Provider } from 'oidc-provider';

const [port, ...wanted] = process.argv.slice(2);
const kinds = { RS256: ['rsa', { modulusLength: 2048 }], PS256: ['rsa', { modulusLength: 2048 }], ES256: ['ec', { namedCurve: 'P-256' }], EdDSA: ['ed25519', {}] };
const keys = wanted.map((pair) => {
  const [alg, kid] = pair.split(':');
  const { privateKey } = crypto.generateKeyPairSync(...kinds[alg]);
  return { ...privateKey.export({ format: 'jwk' }), alg, kid, use: 'sig' };
});
const client = (id) => ({
  client_id: id,
  client_secret: 'secret',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
});
const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys },
  clients: [client('ml'), client('staff')],
  // Tokens for a resource are signed by any of them.
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
  extraTokenClaims: (ctx, token) => ({ groups: [token.clientId, 'all'] }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource) => {
        const [, alg, audience] = resource.split(':');
        return { scope: 'models', audience, accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
      },
    },
  },
});
provider.on('server_error', (ctx, error) => console.error(error));
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
