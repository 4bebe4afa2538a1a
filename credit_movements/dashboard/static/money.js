// Amounts come as texts of plain decimals with at most nine places, and are added up as whole nanos: never as floats.
const PLACES = 9;
const DECIMAL = /^(-?)(\d+)(?:\.(\d{1,9}))?$/;

export function nanos(text) {
  const [, sign, whole, part = ""] = DECIMAL.exec(text);
  const amount = BigInt(whole + part.padEnd(PLACES, "0"));
  return sign === "-" ? -amount : amount;
}

// Whole, and at least to the cent: "1,234.50 EUR".
export function money(amount, currency) {
  const digits = String(amount < 0n ? -amount : amount).padStart(PLACES + 1, "0");
  const whole = digits.slice(0, -PLACES), part = digits.slice(-PLACES).replace(/0+$/, "").padEnd(2, "0");
  return `${amount < 0n ? "-" : ""}${new Intl.NumberFormat("en-GB").format(BigInt(whole))}.${part} ${currency}`;
}

// For the height of a bar alone.
export function height(amount) { return Number(amount) / 10 ** PLACES; }

export function number(value) { return new Intl.NumberFormat("en-GB").format(value); }
