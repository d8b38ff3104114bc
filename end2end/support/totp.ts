/** The codes of an authenticator app (RFC 6238: SHA-1, six digits, 30 seconds). */
import { createHmac } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Waits until half of a step is left at least: the code before it is taken as long as the step lasts. */
export async function earlyInAStep(): Promise<void> {
  const over = Date.now() % 30_000;
  if (over > 15_000) await new Promise((resolve) => setTimeout(resolve, 30_000 - over));
}

/** The code of a base32 secret, so many steps from now. */
export function totp(secret: string, steps = 0): string {
  const bits = [...secret].map((char) => ALPHABET.indexOf(char).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac('sha1', key).update(counter).digest();
  const value = mac.readUInt32BE(mac[mac.length - 1] & 15) & 0x7fffffff;
  return String(value % 1_000_000).padStart(6, '0');
}
