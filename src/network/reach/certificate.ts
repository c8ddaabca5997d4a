// The certificate of secure WebSockets: from files, or made for the moment. Firewalls look at it; peers do not, since the
// encryption inside proves whom they reached.
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { UserError } from '../../core/user-error.js'
import { messageOf } from '../errors.js'

/** PEM, as a server of Node takes it. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Paths of PEM files: the chain, own certificate first, and its private key. */
export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

const YEAR_MS = 365 * 24 * 3600 * 1000
/** Clocks of others may be behind. */
const DAY_MS = 24 * 3600 * 1000

const LOOK_MS = 10 * 60 * 1000

/** Whether an address is one of secure WebSockets. */
export const isSecure = (address: string): boolean => /\/(tls(\/sni\/[^/]+)?\/ws|wss)(\/|$)/.test(address)

/**
 * The certificate in these files.
 * @throws UserError if they cannot be read, do not belong together, or it has expired
 */
export async function readCertificate(files: CertificateFiles, nowMs: number): Promise<Certificate> {
  const [cert, key] = await Promise.all([readPem(files.cert), readPem(files.key)])
  const parsed = attempt(files.cert, 'certificate', () => new X509Certificate(cert))
  const privateKey = attempt(files.key, 'private key', () => createPrivateKey(key))
  if (!parsed.checkPrivateKey(privateKey)) {
    throw unusable(`${files.key} is not the key of the certificate in ${files.cert}`)
  }
  if (Date.parse(parsed.validTo) < nowMs) {
    throw unusable(`the certificate in ${files.cert} has expired on ${parsed.validTo}`)
  }
  return { cert, key }
}

/** A certificate that nobody has signed: enough for peers. */
export async function makeCertificate(nowMs: number): Promise<Certificate> {
  await import('reflect-metadata')
  const { PemConverter, X509CertificateGenerator } = await import('@peculiar/x509')
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      // A serial number is positive.
      serialNumber: `01${randomBytes(8).toString('hex')}`,
      name: 'CN=skein',
      notBefore: new Date(nowMs - DAY_MS),
      notAfter: new Date(nowMs + 10 * YEAR_MS),
      signingAlgorithm: algorithm,
      keys,
    },
    // Another library in this process may have made its own the default.
    crypto,
  )
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { cert: certificate.toString('pem'), key: PemConverter.encode(pkcs8, 'PRIVATE KEY') }
}

/**
 * Looks from time to time whether files hold another certificate: they are renewed every few weeks, and a relay runs for
 * longer.
 */
export class CertificateWatch {
  #latest: string | null = null
  #timer: NodeJS.Timeout | undefined

  constructor(
    private readonly files: CertificateFiles,
    private readonly renewed: (certificate: Certificate) => void,
    private readonly log: (message: string) => void,
  ) {}

  start(): void {
    void this.look()
    this.#timer = setInterval(() => void this.look(), LOOK_MS)
    this.#timer.unref()
  }

  /** Files that are being written are read again at the next look. */
  async look(): Promise<void> {
    try {
      const certificate = await readCertificate(this.files, Date.now())
      if (this.#latest !== null && certificate.cert !== this.#latest) this.renewed(certificate)
      this.#latest = certificate.cert
    } catch (error) {
      this.log(messageOf(error))
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw unusable(`the certificate cannot be read: ${messageOf(error)}`, error)
  }
}

function attempt<T>(path: string, what: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw unusable(`${path} holds no ${what}: ${messageOf(error)}`, error)
  }
}

const unusable = (what: string, cause?: unknown): UserError =>
  new UserError(
    'config',
    `cannot listen for secure WebSockets: ${what}`,
    'give PEM files with --tls-certificate and --tls-key (fullchain.pem and privkey.pem of certbot), or leave both out: peers do not need a signed certificate',
    { cause },
  )
